import { useEffect, useState, type RefObject } from "react";

const MARGIN = "100px";

/** True while the element is in or near the window, and the page is in view. */
export function useInView(element: RefObject<Element | null>): boolean {
  const [near, setNear] = useState(false);
  const [hidden, setHidden] = useState(document.hidden);
  useEffect(() => {
    if (!element.current) return;
    const observer = new IntersectionObserver((entries) => setNear(entries.at(-1)?.isIntersecting ?? false), { rootMargin: MARGIN });
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [element]);
  useEffect(() => {
    const onChange = () => setHidden(document.hidden);
    document.addEventListener("visibilitychange", onChange);
    return () => document.removeEventListener("visibilitychange", onChange);
  }, []);
  return near && !hidden;
}
