ALTER TABLE "source" ALTER COLUMN "every_hours" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "source" ADD COLUMN "cron" text;--> statement-breakpoint
ALTER TABLE "source" ADD COLUMN "time_zone" text;--> statement-breakpoint
ALTER TABLE "source" ADD CONSTRAINT "source_has_one_rhythm" CHECK (("source"."every_hours" is null) <> ("source"."cron" is null) and ("source"."cron" is null) = ("source"."time_zone" is null));