CREATE TABLE "grant_access" (
	"access_id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "grant_access_access_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"request_id" text NOT NULL,
	"party" text NOT NULL,
	"address" text NOT NULL,
	"key" text NOT NULL,
	"offset_bytes" bigint NOT NULL,
	"size_bytes" bigint NOT NULL,
	"network_rule" text NOT NULL,
	"refusal_code" text,
	"accessed_at" timestamp (3) with time zone NOT NULL,
	"sent_bytes" bigint,
	"ended_at" timestamp (3) with time zone
);
--> statement-breakpoint
ALTER TABLE "release_grant" ADD COLUMN "return_due_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "release_grant" ADD COLUMN "returned_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "grant_access" ADD CONSTRAINT "grant_access_request_id_release_request_request_id_fk" FOREIGN KEY ("request_id") REFERENCES "public"."release_request"("request_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "grant_access_party" ON "grant_access" USING btree ("request_id","party","accessed_at");--> statement-breakpoint
CREATE INDEX "release_grant_return" ON "release_grant" USING btree ("return_by_at") WHERE "release_grant"."returned_at" is null and "release_grant"."return_due_at" is null;