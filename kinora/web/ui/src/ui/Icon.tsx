const PATHS = {
  pen: "M5 19l1-4L16 5l3 3L9 18zM13.5 7.5l3 3",
  play: "M8 5.5v13l10.5-6.5z",
  pause: "M8 5.5v13M16 5.5v13",
  stop: "M6.5 6.5h11v11h-11z",
  back: "M14.5 6l-6 6 6 6",
  forward: "M9.5 6l6 6-6 6",
  up: "M6 14.5l6-6 6 6",
  down: "M6 9.5l6 6 6-6",
  close: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  plus: "M12 5.5v13M5.5 12h13",
  check: "M5.5 12.5l4.5 4.5 8.5-10",
  trash: "M5 7h14M10 7V5h4v2M7 7l.8 12h8.4L17 7",
  again: "M18.5 12a6.5 6.5 0 1 1-2-4.7M17 3.5v4h-4",
  download: "M12 4.5v10M7.5 10.5l4.5 4.5 4.5-4.5M5.5 19.5h13",
  upload: "M12 15.5v-10M7.5 9.5L12 5l4.5 4.5M5.5 19.5h13",
  search: "M11 5.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM15 15l4.5 4.5",
  warning: "M12 5l8 14H4zM12 10.5v4M12 16.7v.3",
  fullscreen: "M5.5 9.5v-4h4M14.5 5.5h4v4M18.5 14.5v4h-4M9.5 18.5h-4v-4",
  boxes: "M5.5 6.5h13v11h-13z",
  label: "M5 6.5h8.5l5.5 5.5-5.5 5.5H5z",
  pitch: "M5 18.5L10 8l5 7 4-9.5",
  curves: "M5 5v14h14M8 15l3.5-4.5 3.5 2.5L19.5 7",
  radar: "M12 4.5a7.5 7.5 0 1 0 0 15 7.5 7.5 0 0 0 0-15zM12 8.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM12 12l5-5",
  layers: "M12 5l8 4-8 4-8-4zM4.5 13.5L12 17.2l7.5-3.7",
  sun: "M12 8.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM12 3.5v2M12 18.5v2M3.5 12h2M18.5 12h2M6 6l1.4 1.4M16.6 16.6L18 18M18 6l-1.4 1.4M7.4 16.6L6 18",
  moon: "M18.5 14.5A7 7 0 0 1 9.5 5.5a7 7 0 1 0 9 9z",
  auto: "M12 4.5a7.5 7.5 0 1 0 0 15zM12 4.5a7.5 7.5 0 0 1 0 15",
  grip: "M9 7v.1M15 7v.1M9 12v.1M15 12v.1M9 17v.1M15 17v.1",
  options: "M5 8h8M17 8h2M5 16h2M11 16h8M13 6v4M9 14v4",
  live: "M12 10a2 2 0 1 0 0 4 2 2 0 0 0 0-4zM7.8 7.8a6 6 0 0 0 0 8.4M16.2 7.8a6 6 0 0 1 0 8.4",
  wall: "M4.5 5.5h6.5v5.5H4.5zM13 5.5h6.5v5.5H13zM4.5 13h6.5v5.5H4.5zM13 13h6.5v5.5H13z",
  camera: "M4 8.5h3l1.5-2.5h7L17 8.5h3v10H4zM12 10.2a3.2 3.2 0 1 0 0 6.4 3.2 3.2 0 0 0 0-6.4z",
  list: "M9 7h10M9 12h10M9 17h10M5 7v.1M5 12v.1M5 17v.1",
  folder: "M4 7.5h6l2 2h8v9H4z",
  film: "M4.5 6.5h15v11h-15zM8 6.5v11M16 6.5v11",
  key: "M8.5 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12.5 12H20v3.5M16.5 12v2.5",
  leave: "M13.5 5.5h-8v13h8M10.5 12h9M16 8.5l3.5 3.5-3.5 3.5",
  copy: "M8.5 8.5h10v10h-10zM15.5 8.5v-3h-10v10h3",
} as const;

export type IconName = keyof typeof PATHS;

/** A decorative icon; the text beside it or its button's label must give its meaning. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
