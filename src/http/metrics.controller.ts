import { Controller, Get, Inject, Res } from '@nestjs/common'
import type { Response } from 'express'
import { Metrics } from './metrics.js'
import { AnswersBytes, Only } from './route.js'

/** For Prometheus, which presents a token of the operator (`authorization: { credentials_file: ... }`). */
@Controller('metrics')
export class MetricsController {
  constructor(@Inject(Metrics) private readonly metrics: Metrics) {}

  @Get()
  @Only('agent')
  @AnswersBytes('text/plain', 'The metrics of this process, for Prometheus.')
  async read(@Res() response: Response): Promise<void> {
    response.type(this.metrics.registry.contentType).send(await this.metrics.registry.metrics())
  }
}
