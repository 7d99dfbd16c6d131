CREATE TABLE "log_entry" (
	"entry_id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "log_entry_entry_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"leaf_hash" "bytea" NOT NULL,
	"tag" "bytea" NOT NULL,
	"tag_number" bigint NOT NULL,
	"event_digest" "bytea" NOT NULL,
	"agreement_id" text NOT NULL,
	"subject" text NOT NULL,
	"event_type" text NOT NULL,
	"recorded_at" timestamp (3) with time zone NOT NULL,
	"log_index" bigint,
	CONSTRAINT "log_entry_leaf_hash" UNIQUE("leaf_hash"),
	CONSTRAINT "log_entry_log_index" UNIQUE("log_index"),
	CONSTRAINT "log_entry_tag_number" UNIQUE("tag","tag_number")
);
--> statement-breakpoint
CREATE TABLE "log_head" (
	"head" integer PRIMARY KEY NOT NULL,
	"origin" text NOT NULL,
	"assigned_size" bigint NOT NULL,
	"size" bigint NOT NULL,
	"root" "bytea" NOT NULL,
	"checkpoint" text,
	"checkpoint_at" timestamp (3) with time zone,
	"witnessed_size" bigint NOT NULL,
	"witnessed_checkpoint" text,
	"holder" text,
	"fencing_token" bigint NOT NULL,
	"lease_expires_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "log_witness" (
	"witness" text PRIMARY KEY NOT NULL,
	"size" bigint NOT NULL,
	"cosigned_at" timestamp (3) with time zone,
	"failures" integer NOT NULL,
	"failure_code" text,
	"failure_words" text,
	"failed_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE INDEX "log_entry_pending" ON "log_entry" USING btree ("entry_id") WHERE "log_entry"."log_index" is null;