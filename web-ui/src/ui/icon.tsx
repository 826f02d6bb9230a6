// Small pictures of the kinds; drawn with the colour of the text around them.
const paths: Record<string, string> = {
  dc: "M2 14V3h7v11M9 6h5v8M1 14h14M4 5.5h3M4 8h3M4 10.5h3M11 8.5h1.5M11 11h1.5",
  folder: "M1.5 4v9h13V5.5H8L6.5 4z",
  cluster: "M2 2h5v5H2zM9 2h5v5H9zM2 9h5v5H2zM9 9h5v5H9z",
  host: "M2 2.5h12v4.5H2zM2 9h12v4.5H2zM4.5 4.7h.01M4.5 11.2h.01M7.5 4.7h4M7.5 11.2h4",
  pool: "M8 2v6l5 3.2A6 6 0 1 1 8 2zM10 1.6a6 6 0 0 1 4.2 7.6L10 6.8z",
  vm: "M1.5 2.5h13v9h-13zM5 14h6M8 11.5V14",
  container: "M2 4.5 8 1.5l6 3v7l-6 3-6-3zM2 4.5l6 3 6-3M8 7.5v7",
  template: "M3 1.5h7l3 3v10H3zM10 1.5v3h3M5.5 8h5M5.5 11h5",
  server: "M3 1.5h10v13H3zM5.5 4.5h5M5.5 7h5M8 12h.01",
  datastore: "M2.5 3.5c0-1.2 11-1.2 11 0v9c0 1.2-11 1.2-11 0zM2.5 3.5c0 1.2 11 1.2 11 0M2.5 8c0 1.2 11 1.2 11 0",
  network: "M8 1.5a6.5 6.5 0 1 0 .01 0M1.5 8h13M8 1.5c-4.5 3.5-4.5 9.5 0 13M8 1.5c4.5 3.5 4.5 9.5 0 13",
  task: "M2 3.5h8M2 8h8M2 12.5h8M12 3l1 1 2-2M12 7.5l1 1 2-2M12 12l1 1 2-2",
  event: "M8 1.5 15 14H1zM8 6v4M8 12h.01",
  home: "M1.5 8 8 2l6.5 6M3.5 7v7h9V7",
  search: "M7 2a5 5 0 1 0 .01 0M10.8 10.8 14.5 14.5",
  user: "M8 2a3 3 0 1 0 .01 0M2.5 14.5c0-6 11-6 11 0",
  more: "M3 8h.01M8 8h.01M13 8h.01",
  menu: "M2 4h12M2 8h12M2 12h12",
};

export function Icon({ name }: { name: string }) {
  return (
    <svg class={name === "more" ? "icon thick" : "icon"} viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <path d={paths[name] ?? paths.event} />
    </svg>
  );
}
