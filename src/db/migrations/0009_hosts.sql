CREATE TABLE "host_pace" (
	"host" text PRIMARY KEY NOT NULL,
	"even_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "host_slot" (
	"host" text NOT NULL,
	"slot" integer NOT NULL,
	"holder" text NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "host_slot_host_slot_pk" PRIMARY KEY("host","slot")
);
