CREATE TABLE "drill" (
	"drill_digest" "bytea" PRIMARY KEY NOT NULL,
	"agreement_id" text NOT NULL,
	"agreement_digest" "bytea" NOT NULL,
	"kind" text NOT NULL,
	"summons_key" text NOT NULL,
	"started_at" timestamp (3) with time zone NOT NULL,
	"ends_at" timestamp (3) with time zone NOT NULL,
	"outcome" text,
	"report" jsonb,
	"closed_at" timestamp (3) with time zone
);
--> statement-breakpoint
ALTER TABLE "drill" ADD CONSTRAINT "drill_agreement_id_agreement_agreement_id_fk" FOREIGN KEY ("agreement_id") REFERENCES "public"."agreement"("agreement_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "drill_agreement" ON "drill" USING btree ("agreement_id","kind");--> statement-breakpoint
CREATE INDEX "drill_end" ON "drill" USING btree ("ends_at");