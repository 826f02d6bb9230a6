import { useSignal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { Failed, Loading } from "./load.tsx";

/** A component whose code is fetched when it is first shown. */
export function lazy<P extends object>(load: () => Promise<{ default: ComponentType<P> }>): ComponentType<P> {
  let got: ComponentType<P> | null = null;
  return function Lazy(props: P) {
    const ready = useSignal(got !== null);
    const failed = useSignal<Error | null>(null);
    const fetchIt = (): void => {
      failed.value = null;
      load()
        .then((m) => {
          got = m.default;
          ready.value = true;
        })
        .catch((e: Error) => (failed.value = e));
    };
    useEffect(() => {
      if (!got) fetchIt();
    }, []);
    if (failed.value) return <Failed error={failed.value} retry={fetchIt} />;
    const Shown = got;
    return ready.value && Shown ? <Shown {...props} /> : <Loading />;
  };
}
