CREATE TABLE "custody_alarm" (
	"agreement_id" text NOT NULL,
	"alarm" text NOT NULL,
	"about" text NOT NULL,
	"since" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "custody_alarm_agreement_id_alarm_about_pk" PRIMARY KEY("agreement_id","alarm","about")
);
--> statement-breakpoint
ALTER TABLE "custody_alarm" ADD CONSTRAINT "custody_alarm_agreement_id_agreement_agreement_id_fk" FOREIGN KEY ("agreement_id") REFERENCES "public"."agreement"("agreement_id") ON DELETE no action ON UPDATE no action;