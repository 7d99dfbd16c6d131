CREATE TABLE "silence_watch" (
	"agreement_id" text PRIMARY KEY NOT NULL,
	"watch" jsonb NOT NULL,
	"revision" integer NOT NULL,
	"look_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "silence_watch" ADD CONSTRAINT "silence_watch_agreement_id_agreement_agreement_id_fk" FOREIGN KEY ("agreement_id") REFERENCES "public"."agreement"("agreement_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "silence_watch_look" ON "silence_watch" USING btree ("look_at");