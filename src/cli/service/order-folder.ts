/** The name of an order's folder in a mailbox. */
export function orderFolder(orderDigest: string, agreementId: string): string {
  return `order-${orderDigest.slice(0, 16)}-${agreementId}`
}
