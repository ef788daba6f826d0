import { notice } from '../state/copy.ts';

export function CopyNotice() {
  return (
    <>
      <span role="status">{notice.value?.text}</span>
      {notice.value?.byHand && <input readOnly aria-label="To copy by hand" value={notice.value.byHand} onFocus={(event) => event.currentTarget.select()} />}
    </>
  );
}
