// The pools whose guests get less than they want, the worst first.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type Hunger, lookForHunger } from "../store/hunger.ts";
import { t } from "../text/en.ts";
import { Failed } from "../ui/load.tsx";
import { gb, ghz } from "../ui/text.ts";
import { Ref } from "./columns.tsx";

const REFRESH_MS = 20_000;

export function Starved() {
  const list = useSignal<Hunger[] | null>(null);
  const failed = useSignal<Error | null>(null);
  const look = (): void => {
    lookForHunger()
      .then((l) => {
        list.value = l;
        failed.value = null;
      })
      .catch((e: Error) => (failed.value = e));
  };
  useEffect(() => {
    look();
    const timer = setInterval(look, REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <section class="card" aria-label={t.pool.starved}>
      <h2>{t.pool.starved}</h2>
      {failed.value && <Failed error={failed.value} retry={look} />}
      {list.value?.map((h) => (
        <p key={h.pool} class="warn">
          ▲ <Ref id={h.pool} /> {h.wantsMhz > h.getsMhz && t.pool.lacksCpu(ghz(h.getsMhz), ghz(h.wantsMhz))}{" "}
          {h.takenMb > 0 && t.pool.lacksMemory(gb(h.takenMb))}
        </p>
      ))}
      {list.value?.length === 0 && <p class="ok">✓ {t.pool.fed}</p>}
    </section>
  );
}
