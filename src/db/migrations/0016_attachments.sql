CREATE TABLE "attachment" (
	"object_id" bigint PRIMARY KEY NOT NULL,
	"agreement_id" text NOT NULL,
	"source" text NOT NULL,
	"epoch" integer NOT NULL,
	"content_tag" "bytea" NOT NULL,
	"plain_bytes" bigint NOT NULL,
	"name_tag" "bytea",
	"entry" "bytea",
	"state" text NOT NULL,
	"stored_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "attachment_state_known" CHECK ("attachment"."state" in ('kept', 'waiting'))
);
--> statement-breakpoint
CREATE TABLE "deposit_attachment" (
	"deposit_id" text NOT NULL,
	"object_id" bigint NOT NULL,
	CONSTRAINT "deposit_attachment_deposit_id_object_id_pk" PRIMARY KEY("deposit_id","object_id")
);
--> statement-breakpoint
ALTER TABLE "attachment" ADD CONSTRAINT "attachment_object_id_stored_object_object_id_fk" FOREIGN KEY ("object_id") REFERENCES "public"."stored_object"("object_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "deposit_attachment" ADD CONSTRAINT "deposit_attachment_deposit_id_deposit_deposit_id_fk" FOREIGN KEY ("deposit_id") REFERENCES "public"."deposit"("deposit_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "deposit_attachment" ADD CONSTRAINT "deposit_attachment_object_id_stored_object_object_id_fk" FOREIGN KEY ("object_id") REFERENCES "public"."stored_object"("object_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "attachment_content" ON "attachment" USING btree ("agreement_id","source","content_tag");--> statement-breakpoint
CREATE INDEX "attachment_waiting" ON "attachment" USING btree ("agreement_id","source") WHERE "attachment"."state" = 'waiting';--> statement-breakpoint
CREATE INDEX "deposit_attachment_object" ON "deposit_attachment" USING btree ("object_id");