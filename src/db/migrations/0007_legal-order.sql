CREATE TABLE "legal_order" (
	"order_digest" "bytea" PRIMARY KEY NOT NULL,
	"agreement_id" text NOT NULL,
	"agreement_digest" "bytea" NOT NULL,
	"state" text NOT NULL,
	"progress" jsonb NOT NULL,
	"revision" integer NOT NULL,
	"due_at" timestamp (3) with time zone
);
--> statement-breakpoint
ALTER TABLE "legal_order" ADD CONSTRAINT "legal_order_agreement_id_agreement_agreement_id_fk" FOREIGN KEY ("agreement_id") REFERENCES "public"."agreement"("agreement_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "legal_order_agreement" ON "legal_order" USING btree ("agreement_id");--> statement-breakpoint
CREATE INDEX "legal_order_due" ON "legal_order" USING btree ("due_at");