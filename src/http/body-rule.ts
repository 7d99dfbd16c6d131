import type { signedDocumentType } from './media-type.js'

/** What a route takes: the media type, and how much of it. */
export interface BodyRule {
  readonly mediaType: 'application/json' | 'application/octet-stream' | 'application/vnd.git-lfs+json' | typeof signedDocumentType
  readonly bytesMax: number
}

/** Where a route keeps its rule. */
export const bodyKey = Symbol('body')
