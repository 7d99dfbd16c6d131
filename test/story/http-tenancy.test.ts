// Every route of the router, with the two roles that want most of it; the others are in http-tenancy.slow.test.ts.
import { everyRouteWith } from './every-route.js'

everyRouteWith(['depositor', 'beneficiary'])
