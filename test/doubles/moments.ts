// Times that tests reckon with.

/** Monday, 10 o'clock in Zurich. */
export const monday = new Date('2026-11-23T09:00:00.000Z')
export const hourMs = 3_600_000
export const dayMs = 24 * hourMs
export const later = (from: Date, ms: number): Date => new Date(from.getTime() + ms)
