import { lazy, Suspense, useEffect, type ReactNode } from "react";
import { session, useSession } from "./api/session";
import { CameraBar } from "./camera/CameraBar";
import { Header } from "./header/Header";
import { UndoBar } from "./jobs/UndoBar";
import { RealtimeProvider } from "./realtime/RealtimeProvider";
import { useRoute, type Route } from "./ui/useRoute";
import { Workspace } from "./Workspace";

const AgentsPage = lazy(() => import("./agents/AgentsPage").then(({ AgentsPage: page }) => ({ default: page })));
const PluginsPage = lazy(() => import("./plugins/PluginsPage").then(({ PluginsPage: page }) => ({ default: page })));
const SignIn = lazy(() => import("./access/SignIn").then(({ SignIn: page }) => ({ default: page })));
const TokensPage = lazy(() => import("./access/TokensPage").then(({ TokensPage: page }) => ({ default: page })));
const WallPage = lazy(() => import("./wall/WallPage").then(({ WallPage: page }) => ({ default: page })));

/** The page; while the server wants a token, only the question for it: nothing else then asks the server for anything. */
export function App() {
  const route = useRoute();
  const state = useSession();
  useEffect(() => void session.ask(), []);
  if (state.step === "asking") return null;
  if (state.step === "refused") return <Suspense><SignIn ended={state.ended} /></Suspense>;
  return (
    <RealtimeProvider>
      <Header route={route} />
      <CameraBar />
      <UndoBar />
      {route.view === "work" ? <Workspace jobId={route.jobId} /> : <Suspense fallback={<main id="main" className="plugins-page" />}>{pageOf(route.view)}</Suspense>}
    </RealtimeProvider>
  );
}

function pageOf(view: Exclude<Route["view"], "work">): ReactNode {
  switch (view) {
    case "wall":
      return <WallPage />;
    case "plugins":
      return <PluginsPage />;
    case "agents":
      return <AgentsPage />;
    case "tokens":
      return <TokensPage />;
  }
}
