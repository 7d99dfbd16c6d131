// What a person writes before an agreement exists: the parts of it that are not keys. YAML or JSON.
import { parse as parseYaml } from 'yaml'
import { z } from 'zod'
import { EscrowError } from '../../core/errors.js'
import { chainLengthMaxDefault, fullEveryDaysDefault } from '../../core/limits.js'
import { DepositMode, JurisdictionPolicy } from '../../format/agreement.js'
import { Instant, Slug } from '../../format/ids.js'
import { Cron, IntervalSchedule, TimeZone, type Schedule } from '../../format/schedule.js'

const DraftSource = z
  .strictObject({
    source: Slug,
    mode: DepositMode.default('pull'),
    /** Where to pull from; sealed to the parties, never in the agreement itself. */
    url: z.string().min(1).max(2048).optional(),
    startsAt: Instant.optional(),
    /** Every so many hours, or by a cron line with the time zone whose clocks it means; every 24 hours when neither is given. */
    everyHours: IntervalSchedule.shape.everyHours.optional(),
    cron: Cron.optional(),
    timeZone: TimeZone.optional(),
    graceHours: IntervalSchedule.shape.graceHours.default(12),
    fullEveryDays: z.number().int().min(1).max(366).default(fullEveryDaysDefault),
    chainLengthMax: z.number().int().min(0).max(10_000).default(chainLengthMaxDefault),
  })
  .refine(
    ({ everyHours, cron, timeZone }) =>
      (cron === undefined) === (timeZone === undefined) && (cron === undefined || everyHours === undefined),
    'expected everyHours, or cron and timeZone, or none of them',
  )
type DraftSource = z.infer<typeof DraftSource>

/** The draft of an agreement: what `escrow agreement create --draft` reads. */
export const AgreementDraft = z.strictObject({
  title: z.string().min(1).max(200),
  endsAt: Instant,
  retentionDays: z.number().int().min(1).max(36_600),
  sources: z.array(DraftSource).min(1),
  jurisdiction: JurisdictionPolicy,
  witnesses: z
    .strictObject({ quorum: z.number().int().min(0).max(32), keys: z.array(z.string().max(500)).max(32) })
    .default({ quorum: 0, keys: [] }),
  release: z.record(z.string(), z.unknown()).default({}),
})
export type AgreementDraft = z.infer<typeof AgreementDraft>

/** What the next version of an agreement has otherwise: what `escrow agreement revise --draft` reads. What is left out stays. */
export const AgreementChange = z.strictObject({
  title: AgreementDraft.shape.title.optional(),
  endsAt: AgreementDraft.shape.endsAt.optional(),
  retentionDays: AgreementDraft.shape.retentionDays.optional(),
  /** All of them: a source that is not named ends. */
  sources: AgreementDraft.shape.sources.optional(),
  jurisdiction: AgreementDraft.shape.jurisdiction.optional(),
  release: z.record(z.string(), z.unknown()).optional(),
})
export type AgreementChange = z.infer<typeof AgreementChange>

/** What the agent's service publishes about itself: `<home>/service.json`, needed to write an agreement with it. */
export const ServiceCard = z.strictObject({
  type: z.literal('escrow/service/v1'),
  origin: z.string().min(1).max(200),
  log: z.strictObject({ origin: z.string().min(1).max(200), key: z.string().max(500) }),
})
export type ServiceCard = z.infer<typeof ServiceCard>

/** The schedule that a draft means. @param startsAt - where it does not say so itself. */
export function draftedSchedule(draft: DraftSource, startsAt: string): Schedule {
  const { everyHours = 24, cron, timeZone, graceHours } = draft
  const rest = { startsAt: draft.startsAt ?? startsAt, graceHours }
  return cron === undefined || timeZone === undefined ? { ...rest, everyHours } : { ...rest, cron, timeZone }
}

/**
 * Parse a draft.
 *
 * @throws EscrowError `AGREEMENT_INVALID` naming the first key that is wrong
 */
export function parseAgreementDraft(text: string, path: string): AgreementDraft {
  return parsed(AgreementDraft, fromYaml(text, path), path)
}

/** Parse what a revision changes. @throws EscrowError `AGREEMENT_INVALID` naming the first key that is wrong */
export function parseAgreementChange(text: string, path: string): AgreementChange {
  return parsed(AgreementChange, fromYaml(text, path), path)
}

/** Parse a service card. @throws EscrowError `AGREEMENT_INVALID` */
export function parseServiceCard(text: string, path: string): ServiceCard {
  return parsed(ServiceCard, fromYaml(text, path), path)
}

function fromYaml(text: string, path: string): unknown {
  try {
    return parseYaml(text, { maxAliasCount: 0 }) as unknown
  } catch (error) {
    throw new EscrowError('AGREEMENT_INVALID', `${path}: expected YAML: ${(error as Error).message}`, { cause: error })
  }
}

function parsed<T>(schema: z.ZodType<T>, value: unknown, path: string): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw new EscrowError('AGREEMENT_INVALID', `${path}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`)
}
