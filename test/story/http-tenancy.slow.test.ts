// Every route of the router, with every role but the two of http-tenancy.test.ts.
import { everyRouteWith, roles } from './every-route.js'

everyRouteWith(roles.filter((role) => role !== 'depositor' && role !== 'beneficiary'))
