CREATE TABLE "notice_contact" (
	"contact_id" text PRIMARY KEY NOT NULL,
	"agreement_id" text NOT NULL,
	"party" text NOT NULL,
	"channel" text NOT NULL,
	"address" text NOT NULL,
	"state" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "notice_contact_address" UNIQUE("agreement_id","party","channel","address"),
	CONSTRAINT "notice_contact_channel_known" CHECK ("notice_contact"."channel" in ('webhook', 'email')),
	CONSTRAINT "notice_contact_state_known" CHECK ("notice_contact"."state" in ('active', 'ended'))
);
--> statement-breakpoint
CREATE TABLE "notice_cursor" (
	"cursor" integer PRIMARY KEY NOT NULL,
	"next_index" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "notice_delivery" (
	"notice_id" text NOT NULL,
	"contact_id" text NOT NULL,
	"state" text NOT NULL,
	"attempts" integer NOT NULL,
	"due_at" timestamp (3) with time zone NOT NULL,
	"last_code" text,
	"ended_at" timestamp (3) with time zone,
	CONSTRAINT "notice_delivery_notice_id_contact_id_pk" PRIMARY KEY("notice_id","contact_id"),
	CONSTRAINT "notice_delivery_state_known" CHECK ("notice_delivery"."state" in ('due', 'delivered', 'given-up'))
);
--> statement-breakpoint
CREATE TABLE "notice" (
	"notice_id" text PRIMARY KEY NOT NULL,
	"place" bigint GENERATED ALWAYS AS IDENTITY (sequence name "notice_place_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"agreement_id" text NOT NULL,
	"party" text NOT NULL,
	"event" text NOT NULL,
	"subject" text NOT NULL,
	"report" text,
	"occurred_at" timestamp (3) with time zone NOT NULL,
	"body" text NOT NULL,
	"acknowledged_at" timestamp (3) with time zone,
	"acknowledged_by" text
);
--> statement-breakpoint
ALTER TABLE "source" ADD COLUMN "warned_period_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "source" ADD COLUMN "warned_percent" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "notice_delivery" ADD CONSTRAINT "notice_delivery_notice_id_notice_notice_id_fk" FOREIGN KEY ("notice_id") REFERENCES "public"."notice"("notice_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "notice_delivery" ADD CONSTRAINT "notice_delivery_contact_id_notice_contact_contact_id_fk" FOREIGN KEY ("contact_id") REFERENCES "public"."notice_contact"("contact_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "notice_delivery_due" ON "notice_delivery" USING btree ("due_at") WHERE "notice_delivery"."state" = 'due';--> statement-breakpoint
CREATE INDEX "notice_party" ON "notice" USING btree ("agreement_id","party","place");--> statement-breakpoint
CREATE INDEX "source_period" ON "source" USING btree ("period_at") WHERE "source"."state" = 'active';