import { freshDatabase, testDatabase } from '../doubles/test-database.js'
import { databaseContract } from './database.contract.js'
import { escrowTablesContract } from './escrow-tables.contract.js'
import { verifyTableContract } from './verify-table.contract.js'
import { visibleTablesContract } from './visible-tables.contract.js'

databaseContract('PgliteDatabase', freshDatabase)
escrowTablesContract('PGlite', testDatabase)
verifyTableContract('PGlite', testDatabase)
visibleTablesContract('PGlite', testDatabase)
