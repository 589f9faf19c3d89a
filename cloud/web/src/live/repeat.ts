/** Runs a task now and then again `everyMS` after it ended; the answer stops it. */
export function repeat(everyMS: number, task: () => Promise<unknown>): () => void {
  let stopped = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const run = async () => {
    // A failure shows as silence of the cloud; the next round tries again.
    await task().catch(() => {});
    if (!stopped) timer = setTimeout(run, everyMS);
  };
  void run();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
