import { announced } from '../features/tickets/announce';

/** Read out by screen readers whenever a ticket comes. */
export function Aloud() {
  return (
    <div class="unseen" role="alert" aria-live="assertive">
      {announced.value}
    </div>
  );
}
