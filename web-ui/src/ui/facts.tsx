import type { ComponentChildren } from "preact";

/** Names and values; what is not known is left out. */
export function Facts({ title, rows, children }: { title: string; rows: [string, ComponentChildren][]; children?: ComponentChildren }) {
  return (
    <section class="card">
      <h2>{title}</h2>
      <dl class="facts">
        {rows
          .filter(([, v]) => v !== null && v !== undefined && v !== "" && v !== false)
          .map(([k, v]) => (
            <div key={k}>
              <dt>{k}</dt>
              <dd>{v}</dd>
            </div>
          ))}
      </dl>
      {children}
    </section>
  );
}
