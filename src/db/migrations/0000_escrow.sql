CREATE TABLE "agreement" (
	"agreement_id" text PRIMARY KEY NOT NULL,
	"version" integer NOT NULL,
	"digest" "bytea" NOT NULL,
	"state" text NOT NULL,
	"title" text NOT NULL,
	"origin" text NOT NULL,
	"threshold" integer NOT NULL,
	"custodian_count" integer NOT NULL,
	"retention_days" integer NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"ends_at" timestamp (3) with time zone NOT NULL,
	"armed_at" timestamp (3) with time zone,
	"ended_at" timestamp (3) with time zone,
	CONSTRAINT "agreement_state_known" CHECK ("agreement"."state" in ('draft', 'registered', 'armed', 'ended'))
);
--> statement-breakpoint
CREATE TABLE "agreement_version" (
	"agreement_id" text NOT NULL,
	"version" integer NOT NULL,
	"digest" "bytea" NOT NULL,
	"document_key" text NOT NULL,
	"annex_key" text,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "agreement_version_agreement_id_version_pk" PRIMARY KEY("agreement_id","version")
);
--> statement-breakpoint
CREATE TABLE "party" (
	"agreement_id" text NOT NULL,
	"party" text NOT NULL,
	"role" text NOT NULL,
	"fingerprint" "bytea" NOT NULL,
	CONSTRAINT "party_agreement_id_party_fingerprint_pk" PRIMARY KEY("agreement_id","party","fingerprint")
);
--> statement-breakpoint
CREATE TABLE "share_acceptance" (
	"agreement_id" text NOT NULL,
	"version" integer NOT NULL,
	"custodian_index" integer NOT NULL,
	"statement_digest" "bytea" NOT NULL,
	"accepted_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "share_acceptance_agreement_id_version_custodian_index_pk" PRIMARY KEY("agreement_id","version","custodian_index")
);
--> statement-breakpoint
CREATE TABLE "share_health" (
	"agreement_id" text NOT NULL,
	"epoch" integer NOT NULL,
	"custodian_index" integer NOT NULL,
	"statement_digest" "bytea" NOT NULL,
	"proved_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "share_health_agreement_id_epoch_custodian_index_pk" PRIMARY KEY("agreement_id","epoch","custodian_index")
);
--> statement-breakpoint
CREATE TABLE "vault_epoch" (
	"agreement_id" text NOT NULL,
	"epoch" integer NOT NULL,
	"recipient" text NOT NULL,
	"state" text NOT NULL,
	CONSTRAINT "vault_epoch_agreement_id_epoch_pk" PRIMARY KEY("agreement_id","epoch"),
	CONSTRAINT "vault_epoch_state_known" CHECK ("vault_epoch"."state" in ('dealt', 'armed', 'reserve', 'exposed', 'burned'))
);
--> statement-breakpoint
CREATE TABLE "attempt" (
	"attempt_id" text PRIMARY KEY NOT NULL,
	"agreement_id" text NOT NULL,
	"source" text NOT NULL,
	"fencing_token" bigint NOT NULL,
	"sequence" bigint NOT NULL,
	"kind" text NOT NULL,
	"base_sequence" bigint NOT NULL,
	"epoch" integer NOT NULL,
	"state" text NOT NULL,
	"started_at" timestamp (3) with time zone NOT NULL,
	"finished_at" timestamp (3) with time zone,
	"failure_code" text,
	CONSTRAINT "attempt_state_known" CHECK ("attempt"."state" in ('taking', 'sealed', 'stored', 'published', 'abandoned'))
);
--> statement-breakpoint
CREATE TABLE "deposit" (
	"deposit_id" text PRIMARY KEY NOT NULL,
	"agreement_id" text NOT NULL,
	"source" text NOT NULL,
	"sequence" bigint NOT NULL,
	"kind" text NOT NULL,
	"base_sequence" bigint NOT NULL,
	"epoch" integer NOT NULL,
	"agreement_digest" "bytea" NOT NULL,
	"manifest_digest" "bytea" NOT NULL,
	"previous_digest" "bytea",
	"refs_digest" "bytea" NOT NULL,
	"ref_count" bigint NOT NULL,
	"bundle_digest" "bytea" NOT NULL,
	"bundle_bytes" bigint NOT NULL,
	"taken_at" timestamp (3) with time zone NOT NULL,
	"outcome" text NOT NULL,
	"blocking" boolean NOT NULL,
	"explained_at" timestamp (3) with time zone,
	"leaf_hash" "bytea" NOT NULL,
	"receipt_digest" "bytea"
);
--> statement-breakpoint
CREATE TABLE "finding" (
	"deposit_id" text NOT NULL,
	"code" text NOT NULL,
	"severity" text NOT NULL,
	"count" bigint NOT NULL,
	"explanation_digest" "bytea",
	"explained_at" timestamp (3) with time zone,
	CONSTRAINT "finding_deposit_id_code_severity_pk" PRIMARY KEY("deposit_id","code","severity")
);
--> statement-breakpoint
CREATE TABLE "lease" (
	"agreement_id" text NOT NULL,
	"source" text NOT NULL,
	"holder" text NOT NULL,
	"fencing_token" bigint NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "lease_agreement_id_source_pk" PRIMARY KEY("agreement_id","source")
);
--> statement-breakpoint
CREATE TABLE "replica_copy" (
	"copy_id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "replica_copy_copy_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"object_id" bigint NOT NULL,
	"replica" text NOT NULL,
	"version_id" text NOT NULL,
	"retain_until_at" timestamp (3) with time zone NOT NULL,
	"state" text NOT NULL,
	"stored_at" timestamp (3) with time zone NOT NULL,
	"verified_at" timestamp (3) with time zone,
	"next_check_at" timestamp (3) with time zone,
	CONSTRAINT "replica_copy_state_known" CHECK ("replica_copy"."state" in ('present', 'missing', 'mismatch', 'unreadable', 'superseded'))
);
--> statement-breakpoint
CREATE TABLE "replica" (
	"replica" text PRIMARY KEY NOT NULL,
	"country" text NOT NULL,
	"control" text NOT NULL,
	"state" text NOT NULL,
	"added_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "replica_state_known" CHECK ("replica"."state" in ('active', 'retired'))
);
--> statement-breakpoint
CREATE TABLE "stored_object" (
	"object_id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "stored_object_object_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"key" text NOT NULL,
	"purpose" text NOT NULL,
	"agreement_id" text,
	"deposit_id" text,
	"attempt_id" text,
	"digest" "bytea" NOT NULL,
	"size_bytes" bigint NOT NULL,
	"part_bytes" integer NOT NULL,
	"part_digests" "bytea" NOT NULL,
	CONSTRAINT "stored_object_purpose_known" CHECK ("stored_object"."purpose" in ('agreement', 'annex', 'statement', 'envelope', 'inventory', 'known-objects', 'attachment', 'manifest', 'receipt', 'event', 'tile', 'readme'))
);
--> statement-breakpoint
CREATE TABLE "source" (
	"agreement_id" text NOT NULL,
	"source" text NOT NULL,
	"state" text NOT NULL,
	"mode" text NOT NULL,
	"url" text,
	"credential_file" text,
	"starts_at" timestamp (3) with time zone NOT NULL,
	"every_hours" integer NOT NULL,
	"grace_hours" integer NOT NULL,
	"full_every_days" integer NOT NULL,
	"chain_length_max" integer NOT NULL,
	"period_at" timestamp (3) with time zone NOT NULL,
	"deadline_at" timestamp (3) with time zone NOT NULL,
	"due_at" timestamp (3) with time zone NOT NULL,
	"look_at" timestamp (3) with time zone NOT NULL,
	"capability" jsonb,
	"refs_digest" "bytea",
	"manifest_digest" "bytea",
	"next_sequence" bigint DEFAULT 1 NOT NULL,
	"full_sequence" bigint,
	"full_at" timestamp (3) with time zone,
	"chain_length" integer DEFAULT 0 NOT NULL,
	"fresh_at" timestamp (3) with time zone,
	"failures" integer DEFAULT 0 NOT NULL,
	"failure_code" text,
	"failed_at" timestamp (3) with time zone,
	CONSTRAINT "source_agreement_id_source_pk" PRIMARY KEY("agreement_id","source"),
	CONSTRAINT "source_state_known" CHECK ("source"."state" in ('waiting', 'active', 'paused', 'ended'))
);
--> statement-breakpoint
CREATE TABLE "fixity_check" (
	"check_id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "fixity_check_check_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"copy_id" bigint NOT NULL,
	"checked_at" timestamp (3) with time zone NOT NULL,
	"outcome" text NOT NULL,
	"found_digest" "bytea",
	CONSTRAINT "fixity_check_outcome_known" CHECK ("fixity_check"."outcome" in ('match', 'mismatch', 'missing', 'unreadable'))
);
--> statement-breakpoint
ALTER TABLE "agreement_version" ADD CONSTRAINT "agreement_version_agreement_id_agreement_agreement_id_fk" FOREIGN KEY ("agreement_id") REFERENCES "public"."agreement"("agreement_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "party" ADD CONSTRAINT "party_agreement_id_agreement_agreement_id_fk" FOREIGN KEY ("agreement_id") REFERENCES "public"."agreement"("agreement_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "share_acceptance" ADD CONSTRAINT "share_acceptance_agreement_id_version_agreement_version_agreement_id_version_fk" FOREIGN KEY ("agreement_id","version") REFERENCES "public"."agreement_version"("agreement_id","version") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "share_health" ADD CONSTRAINT "share_health_agreement_id_epoch_vault_epoch_agreement_id_epoch_fk" FOREIGN KEY ("agreement_id","epoch") REFERENCES "public"."vault_epoch"("agreement_id","epoch") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "vault_epoch" ADD CONSTRAINT "vault_epoch_agreement_id_agreement_agreement_id_fk" FOREIGN KEY ("agreement_id") REFERENCES "public"."agreement"("agreement_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "attempt" ADD CONSTRAINT "attempt_agreement_id_source_source_agreement_id_source_fk" FOREIGN KEY ("agreement_id","source") REFERENCES "public"."source"("agreement_id","source") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "deposit" ADD CONSTRAINT "deposit_agreement_id_source_source_agreement_id_source_fk" FOREIGN KEY ("agreement_id","source") REFERENCES "public"."source"("agreement_id","source") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "finding" ADD CONSTRAINT "finding_deposit_id_deposit_deposit_id_fk" FOREIGN KEY ("deposit_id") REFERENCES "public"."deposit"("deposit_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "replica_copy" ADD CONSTRAINT "replica_copy_object_id_stored_object_object_id_fk" FOREIGN KEY ("object_id") REFERENCES "public"."stored_object"("object_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "replica_copy" ADD CONSTRAINT "replica_copy_replica_replica_replica_fk" FOREIGN KEY ("replica") REFERENCES "public"."replica"("replica") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "stored_object" ADD CONSTRAINT "stored_object_deposit_id_deposit_deposit_id_fk" FOREIGN KEY ("deposit_id") REFERENCES "public"."deposit"("deposit_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "source" ADD CONSTRAINT "source_agreement_id_agreement_agreement_id_fk" FOREIGN KEY ("agreement_id") REFERENCES "public"."agreement"("agreement_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "fixity_check" ADD CONSTRAINT "fixity_check_copy_id_replica_copy_copy_id_fk" FOREIGN KEY ("copy_id") REFERENCES "public"."replica_copy"("copy_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "agreement_version_digest" ON "agreement_version" USING btree ("digest");--> statement-breakpoint
CREATE INDEX "party_fingerprint" ON "party" USING btree ("fingerprint");--> statement-breakpoint
CREATE UNIQUE INDEX "vault_epoch_current" ON "vault_epoch" USING btree ("agreement_id") WHERE "vault_epoch"."state" in ('armed', 'exposed');--> statement-breakpoint
CREATE INDEX "attempt_open" ON "attempt" USING btree ("agreement_id","source") WHERE "attempt"."state" in ('taking', 'sealed', 'stored');--> statement-breakpoint
CREATE UNIQUE INDEX "deposit_sequence" ON "deposit" USING btree ("agreement_id","source","sequence");--> statement-breakpoint
CREATE UNIQUE INDEX "deposit_manifest" ON "deposit" USING btree ("manifest_digest");--> statement-breakpoint
CREATE UNIQUE INDEX "deposit_leaf" ON "deposit" USING btree ("leaf_hash");--> statement-breakpoint
CREATE INDEX "deposit_unreceipted" ON "deposit" USING btree ("taken_at") WHERE "deposit"."receipt_digest" is null;--> statement-breakpoint
CREATE UNIQUE INDEX "replica_copy_version" ON "replica_copy" USING btree ("object_id","replica","version_id");--> statement-breakpoint
CREATE UNIQUE INDEX "replica_copy_current" ON "replica_copy" USING btree ("object_id","replica") WHERE "replica_copy"."state" <> 'superseded';--> statement-breakpoint
CREATE INDEX "replica_copy_next_check" ON "replica_copy" USING btree ("next_check_at") WHERE "replica_copy"."state" <> 'superseded';--> statement-breakpoint
CREATE INDEX "replica_copy_bad" ON "replica_copy" USING btree ("copy_id") WHERE "replica_copy"."state" in ('missing', 'mismatch', 'unreadable');--> statement-breakpoint
CREATE INDEX "replica_copy_retention" ON "replica_copy" USING btree ("retain_until_at") WHERE "replica_copy"."state" = 'present';--> statement-breakpoint
CREATE UNIQUE INDEX "stored_object_key" ON "stored_object" USING btree ("key");--> statement-breakpoint
CREATE INDEX "stored_object_deposit" ON "stored_object" USING btree ("deposit_id");--> statement-breakpoint
CREATE INDEX "stored_object_agreement" ON "stored_object" USING btree ("agreement_id");--> statement-breakpoint
CREATE INDEX "stored_object_attempt" ON "stored_object" USING btree ("attempt_id");--> statement-breakpoint
CREATE INDEX "source_look" ON "source" USING btree ("look_at") WHERE "source"."state" = 'active' and "source"."mode" = 'pull';--> statement-breakpoint
CREATE INDEX "source_deadline" ON "source" USING btree ("deadline_at") WHERE "source"."state" = 'active';--> statement-breakpoint
CREATE INDEX "fixity_check_copy" ON "fixity_check" USING btree ("copy_id","checked_at");