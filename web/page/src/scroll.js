// A list that stays at its end while its reader is there.
import { useLayoutEffect, useRef, useState } from "preact/hooks";

/** [ref for the scroller, whether newer things are out of sight, go to the end]. */
export function useStickToEnd(newest) {
  const ref = useRef(null);
  const atEnd = useRef(true);
  const [behind, setBehind] = useState(false);
  const toEnd = () => {
    ref.current.scrollTop = ref.current.scrollHeight;
    setBehind(false);
  };
  useLayoutEffect(() => {
    const scroller = ref.current;
    const watch = () => {
      atEnd.current = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60;
      if (atEnd.current) setBehind(false);
    };
    scroller.addEventListener("scroll", watch, { passive: true });
    return () => scroller.removeEventListener("scroll", watch);
  }, []);
  useLayoutEffect(() => {
    if (atEnd.current) toEnd();
    else setBehind(true);
  }, [newest]);
  return [ref, behind, toEnd];
}
