import type { INestApplication } from '@nestjs/common'
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger'
import { z } from 'zod'
import { problemType } from './media-type.js'
import { Problem } from './problem.js'

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
    .addSecurityRequirements('bearer')
    .build()
  return withProblems(SwaggerModule.createDocument(app, about))
}

const methods = ['get', 'put', 'post', 'delete'] as const

/** Whatever a route refuses, it refuses in the same form. */
function withProblems(document: OpenAPIObject): OpenAPIObject {
  const { $schema: _, ...problem } = z.toJSONSchema(Problem)
  const refusal = {
    description: 'A refusal or a fault, as RFC 9457 has it; scripts may rely on its `code`.',
    content: { [problemType]: { schema: { $ref: '#/components/schemas/Problem' } } },
  }
  for (const path of Object.values(document.paths))
    for (const method of methods) {
      const operation = path[method]
      if (operation !== undefined) operation.responses['default'] = refusal
    }
  const components = document.components ?? {}
  return { ...document, components: { ...components, schemas: { ...components.schemas, Problem: problem as object } } }
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
