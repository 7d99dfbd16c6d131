import { PostgresDatabase } from '../../src/db/postgres-database.js'
import { serviceAddress } from '../services/addresses.js'
import { databaseContract } from './database.contract.js'

databaseContract('PostgresDatabase', () => PostgresDatabase.open({ url: serviceAddress('postgres'), poolMax: 5 }))
