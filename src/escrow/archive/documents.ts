import { Inject, Injectable } from '@nestjs/common'
import { ReadDocument } from './read-document.js'
import { StoreDocument } from './store-document.js'

/** The documents of the archive, both ways: as the index knows them, and on their way to every replica. */
@Injectable()
export class Documents {
  constructor(
    @Inject(ReadDocument) readonly read: ReadDocument,
    @Inject(StoreDocument) readonly store: StoreDocument,
  ) {}
}
