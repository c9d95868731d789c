import { lazy, Suspense } from "react";
import { Header } from "./header/Header";
import { UndoBar } from "./jobs/UndoBar";
import { RealtimeProvider } from "./realtime/RealtimeProvider";
import { useRoute } from "./ui/useRoute";
import { Workspace } from "./Workspace";

const PluginsPage = lazy(() => import("./plugins/PluginsPage").then(({ PluginsPage: page }) => ({ default: page })));

export function App() {
  const route = useRoute();
  return (
    <RealtimeProvider>
      <Header route={route} />
      <UndoBar />
      {route.view === "work" ? (
        <Workspace jobId={route.jobId} />
      ) : (
        <Suspense fallback={<main id="main" className="plugins-page" />}>
          <PluginsPage />
        </Suspense>
      )}
    </RealtimeProvider>
  );
}
