import type { INestApplication } from '@nestjs/common'
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger'

/** Where the page is; its document is at `<path>/openapi.json`. */
export const apiDocumentPath = 'docs'

/** The OpenAPI document of all routes, made from their schemas. */
export function apiDocument(app: INestApplication, version: string): OpenAPIObject {
  const about = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Reduit')
    .setDescription(
      'Source-code escrow and continuity. What has legal weight is a signed statement; a token only says who may read and send.',
    )
    .setVersion(version)
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'A token from `escrow token create`.' })
    .build()
  return SwaggerModule.createDocument(app, about)
}

/** Serve the document and a page to browse it. */
export function serveApiDocument(app: INestApplication, version: string): void {
  SwaggerModule.setup(apiDocumentPath, app, () => apiDocument(app, version), {
    jsonDocumentUrl: `${apiDocumentPath}/openapi.json`,
    raw: ['json'],
    customSiteTitle: 'Reduit API',
    swaggerOptions: { persistAuthorization: false, tryItOutEnabled: false },
  })
}
