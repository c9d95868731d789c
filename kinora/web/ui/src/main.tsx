import { lazy, StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import "./styles/index.css";

const UiKit = lazy(() => import("./kit/UiKit").then(({ UiKit: page }) => ({ default: page })));
const root = document.getElementById("root");
if (!root) throw new Error("The page has no root element.");

createRoot(root).render(
  <StrictMode>
    {location.pathname.endsWith("/ui-kit") ? (
      <Suspense>
        <UiKit />
      </Suspense>
    ) : (
      <App />
    )}
  </StrictMode>,
);
