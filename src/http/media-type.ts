/** Signed documents travel as the bytes that were signed around: a DSSE envelope. */
export const signedDocumentType = 'application/vnd.dsse.envelope.v1+json'

/** Problems, RFC 9457. */
export const problemType = 'application/problem+json'
