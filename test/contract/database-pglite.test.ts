import { freshDatabase } from '../doubles/test-database.js'
import { databaseContract } from './database.contract.js'

databaseContract('PgliteDatabase', freshDatabase)
