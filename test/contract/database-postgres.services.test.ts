import { PostgresDatabase } from '../../src/db/postgres-database.js'
import { serviceAddress } from '../services/addresses.js'
import { databaseContract } from './database.contract.js'
import { escrowTablesContract } from './escrow-tables.contract.js'
import { verifyTableContract } from './verify-table.contract.js'
import { visibleTablesContract } from './visible-tables.contract.js'

const open = () => PostgresDatabase.open({ url: serviceAddress('postgres'), poolMax: 5 })

databaseContract('PostgresDatabase', open)
escrowTablesContract('PostgreSQL', open)
verifyTableContract('PostgreSQL', open)
visibleTablesContract('PostgreSQL', open)
