CREATE TABLE "held_share" (
	"request_id" text NOT NULL,
	"digest" "bytea" NOT NULL,
	"party" text NOT NULL,
	"document" "bytea" NOT NULL,
	"place" bigint GENERATED ALWAYS AS IDENTITY (sequence name "held_share_place_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"received_at" timestamp (3) with time zone NOT NULL,
	"released_at" timestamp (3) with time zone,
	"stored_at" timestamp (3) with time zone,
	CONSTRAINT "held_share_request_id_digest_pk" PRIMARY KEY("request_id","digest")
);
--> statement-breakpoint
CREATE TABLE "release_grant" (
	"request_id" text NOT NULL,
	"beneficiary" text NOT NULL,
	"deposits" jsonb NOT NULL,
	"granted_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"revoked_at" timestamp (3) with time zone,
	"return_by_at" timestamp (3) with time zone,
	CONSTRAINT "release_grant_request_id_beneficiary_pk" PRIMARY KEY("request_id","beneficiary")
);
--> statement-breakpoint
CREATE TABLE "release_request" (
	"request_id" text PRIMARY KEY NOT NULL,
	"agreement_id" text NOT NULL,
	"request_digest" "bytea" NOT NULL,
	"agreement_digest" "bytea" NOT NULL,
	"epoch" integer NOT NULL,
	"order_digest" "bytea",
	"state" text NOT NULL,
	"progress" jsonb NOT NULL,
	"revision" integer NOT NULL,
	"submitted_at" timestamp (3) with time zone NOT NULL,
	"due_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "release_statement" (
	"digest" "bytea" NOT NULL,
	"agreement_id" text NOT NULL,
	"subject" text NOT NULL,
	"key" text NOT NULL,
	"type" text NOT NULL,
	"party" text NOT NULL,
	"recorded_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "release_statement_digest_agreement_id_subject_pk" PRIMARY KEY("digest","agreement_id","subject")
);
--> statement-breakpoint
CREATE TABLE "shutdown_order" (
	"order_digest" "bytea" NOT NULL,
	"agreement_id" text NOT NULL,
	"agreement_digest" "bytea" NOT NULL,
	"state" text NOT NULL,
	"progress" jsonb NOT NULL,
	"revision" integer NOT NULL,
	"request_id" text,
	"due_at" timestamp (3) with time zone,
	CONSTRAINT "shutdown_order_order_digest_agreement_id_pk" PRIMARY KEY("order_digest","agreement_id")
);
--> statement-breakpoint
ALTER TABLE "held_share" ADD CONSTRAINT "held_share_request_id_release_request_request_id_fk" FOREIGN KEY ("request_id") REFERENCES "public"."release_request"("request_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "release_grant" ADD CONSTRAINT "release_grant_request_id_release_request_request_id_fk" FOREIGN KEY ("request_id") REFERENCES "public"."release_request"("request_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "release_request" ADD CONSTRAINT "release_request_agreement_id_agreement_agreement_id_fk" FOREIGN KEY ("agreement_id") REFERENCES "public"."agreement"("agreement_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "release_statement" ADD CONSTRAINT "release_statement_agreement_id_agreement_agreement_id_fk" FOREIGN KEY ("agreement_id") REFERENCES "public"."agreement"("agreement_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "shutdown_order" ADD CONSTRAINT "shutdown_order_agreement_id_agreement_agreement_id_fk" FOREIGN KEY ("agreement_id") REFERENCES "public"."agreement"("agreement_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "shutdown_order" ADD CONSTRAINT "shutdown_order_request_id_release_request_request_id_fk" FOREIGN KEY ("request_id") REFERENCES "public"."release_request"("request_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "release_request_digest" ON "release_request" USING btree ("request_digest");--> statement-breakpoint
CREATE INDEX "release_request_agreement" ON "release_request" USING btree ("agreement_id");--> statement-breakpoint
CREATE INDEX "release_request_due" ON "release_request" USING btree ("due_at");--> statement-breakpoint
CREATE INDEX "release_statement_subject" ON "release_statement" USING btree ("subject","agreement_id");--> statement-breakpoint
CREATE INDEX "shutdown_order_agreement" ON "shutdown_order" USING btree ("agreement_id");--> statement-breakpoint
CREATE INDEX "shutdown_order_due" ON "shutdown_order" USING btree ("due_at");