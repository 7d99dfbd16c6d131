ALTER TABLE "source" ADD COLUMN "credential_period_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "source" ADD COLUMN "credential_code" text;