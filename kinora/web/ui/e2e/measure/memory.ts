/** The memory that a page holds after a garbage collection. */
import type { CDPSession, Page } from "playwright-core";

export interface Memory {
  heapMB: number;
  /** The memory of typed arrays and the like, outside the heap. */
  buffersMB: number;
  nodes: number;
  listeners: number;
}

const MB = 1e6;

export class MemoryMeter {
  readonly #session: CDPSession;

  private constructor(session: CDPSession) {
    this.#session = session;
  }

  static async of(page: Page): Promise<MemoryMeter> {
    return new MemoryMeter(await page.context().newCDPSession(page));
  }

  async read(): Promise<Memory> {
    await this.#session.send("HeapProfiler.collectGarbage");
    const { usedSize, backingStorageSize } = await this.#session.send("Runtime.getHeapUsage");
    const { nodes, jsEventListeners } = await this.#session.send("Memory.getDOMCounters");
    return { heapMB: usedSize / MB, buffersMB: backingStorageSize / MB, nodes, listeners: jsEventListeners };
  }
}
