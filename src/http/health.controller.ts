import { Controller, Get, Inject } from '@nestjs/common'
import { z } from 'zod'
import { Answers, Open } from './route.js'
import { Readiness } from './readiness.js'

const Live = z.object({ status: z.literal('live') }).meta({ id: 'Live' })
const Ready = z.object({ status: z.literal('ready') }).meta({ id: 'Ready' })

/** For whoever starts and stops processes. */
@Controller('health')
export class HealthController {
  constructor(@Inject(Readiness) private readonly readiness: Readiness) {}

  @Get('live')
  @Open()
  @Answers(Live, 'The process answers; restart it when it does not.')
  live(): z.infer<typeof Live> {
    return { status: 'live' }
  }

  @Get('ready')
  @Open()
  @Answers(Ready, 'Requests may come: 503 while the index cannot be reached or the process is stopping.')
  async ready(): Promise<z.infer<typeof Ready>> {
    await this.readiness.require()
    return { status: 'ready' }
  }
}
