import type { ReactNode } from "react";

/** The kinds of result that have a drawing, the most telling first. */
const DRAWINGS: Readonly<Record<string, ReactNode>> = {
  tracking: (
    <>
      <Figure at={46} /><Figure at={104} />
      <path d="M14 80q18 6 34 2" className="kp-trail" />
      <path d="M148 80q-18 6-40 2" className="kp-trail" />
      <Box at={33} label="1" /><Box at={91} label="2" />
    </>
  ),
  text: (
    <>
      <rect x="30" y="26" width="100" height="40" rx="4" className="kp-sign" />
      <text x="80" y="52" className="kp-text">EXIT 7</text>
      <rect x="40" y="34" width="80" height="25" rx="2" className="kp-box" />
    </>
  ),
  colors: (
    <>
      <rect x="16" y="28" width="46" height="34" fill="#d9653b" />
      <rect x="62" y="28" width="32" height="34" fill="#e8b04a" />
      <rect x="94" y="28" width="22" height="34" fill="#4d8f7a" />
      <rect x="116" y="28" width="16" height="34" fill="#2f5a7d" />
      <rect x="132" y="28" width="12" height="34" fill="#c9d3d8" />
    </>
  ),
  scenes: (
    <>
      {[0, 1, 2, 3].map((at) => <rect key={at} x={14 + at * 34} y="30" width="30" height="30" rx="2" className={at < 2 ? "kp-hill" : "kp-sign"} />)}
      <path d="M80 18v54" className="kp-cut" />
    </>
  ),
  masks: <><path d="M34 20h28v66h-28z" className="kp-box" /><path d="M92 20h28v66h-28z" className="kp-box" /><Figure at={46} mask /><Figure at={104} mask /></>,
  keypoints: <><Pose at={48} /><Pose at={106} /></>,
  polygons: <><Figure at={46} /><Figure at={104} /><path d="M82 46 140 50 150 84 74 86z" className="kp-zone" /></>,
  classes: (
    <>
      <Figure at={74} />
      <rect x="10" y="10" width="56" height="16" rx="3" className="kp-chip" />
      <text x="38" y="22" className="kp-chip-text">person</text>
    </>
  ),
  detections: <><Figure at={46} /><Figure at={104} /><Box at={33} /><Box at={91} /></>,
  metrics: <path d="M12 62 28 54 44 58 60 38 76 42 92 24 108 34 124 30 148 50" className="kp-curve" />,
};
const OTHER = <text x="80" y="56" className="kp-text">{"{ … }"}</text>;

/** A drawing of what a plugin with these kinds of result gives. */
export function KindPicture({ kinds }: { kinds: readonly string[] }) {
  const kind = Object.keys(DRAWINGS).find((name) => kinds.includes(name));
  return (
    <svg className="kind-picture" viewBox="0 0 160 90" aria-hidden="true">
      <rect width="160" height="90" className="kp-sky" />
      {kind !== "metrics" && <path d="M0 64q40-22 84-6t76-10v42H0z" className="kp-hill" />}
      {kind === undefined ? OTHER : DRAWINGS[kind]}
    </svg>
  );
}

function Pose({ at }: { at: number }) {
  const points = [[0, 30], [0, 42], [-9, 44], [9, 44], [-12, 58], [12, 58], [0, 60], [-6, 78], [6, 78]] as const;
  return (
    <>
      <path d={`M${at} 30v30M${at - 12} 58l3-14 9-2 9 2 3 14M${at - 6} 78l6-18 6 18`} className="kp-bone" />
      {points.map(([x, y]) => <circle key={`${x} ${y}`} cx={at + x} cy={y} r="2.5" className="kp-joint" />)}
    </>
  );
}

function Figure({ at, mask = false }: { at: number; mask?: boolean }) {
  return <path d={`M${at - 4} 30a5 5 0 1 1 10 0a5 5 0 1 1-10 0M${at - 7} 48q0-11 8-11t8 11v16l-3 18h-3l-2-16-2 16h-3l-3-18z`} className={mask ? "kp-mask" : "kp-person"} />;
}

function Box({ at, label }: { at: number; label?: string }) {
  return (
    <>
      <rect x={at} y="20" width="28" height="66" rx="2" className="kp-box" />
      {label !== undefined && <text x={at + 14} y="15" className="kp-label">{label}</text>}
    </>
  );
}
