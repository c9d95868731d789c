import { useEffect, useRef, useState } from "react";
import { RateMeter } from "./RateMeter";

const EACH_MS = 1000;

/** The frames per second at which this count grows; null at first. */
export function useRate(frames: number): number | null {
  const [rate, setRate] = useState<number | null>(null);
  const latest = useRef(frames);
  useEffect(() => {
    latest.current = frames;
  }, [frames]);
  useEffect(() => {
    const meter = new RateMeter();
    const measure = () => setRate(meter.add(performance.now(), latest.current));
    const timer = setInterval(measure, EACH_MS);
    return () => clearInterval(timer);
  }, []);
  return rate;
}
