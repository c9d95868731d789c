/** Plugins for the tests: some work, some have the usual faults. */
import type { Server } from "./server";

export function writePlugins(server: Server): void {
  server.writePlugin("careless", "@tool('careless')\ndef careless(frame):\n    return {'share': 1 / (frame.index % 7)}");
  server.writePlugin("talking", "@tool('talking')\ndef talking(frame):\n    print('frame', frame.index, 'it is')");
  server.writePlugin("hanging", "@tool('hanging')\ndef hanging(frame):\n    time.sleep(3600)");
  server.writePlugin("slow", "@tool('slow')\ndef slow(frame):\n    time.sleep(0.1)\n    return {'metrics': {'index': frame.index}}");
  server.writePlugin("overdue", "@tool('overdue', latency_budget_ms=1)\ndef overdue(frame):\n    time.sleep(0.005)");
  server.writePlugin("crashing", "@tool('crashing')\ndef crashing(frame):\n    if frame.index == 3:\n        os._exit(1)");
  server.writePlugin("dying", "@tool('dying')\ndef dying(frame):\n    os._exit(1)");
  server.writePlugin(
    "pitch",
    "@tool('pitch')\ndef pitch(frame):\n    return {'lines': [[0, 0, 300, 200]], 'keypoints': [[50, 50]]}",
  );
  server.writePlugin("walker", `@tool('walker')\ndef walker(frame):\n    return {'detections': [{${BOX}, 'x': 5 * frame.index, 'track_id': 6}]}`);
  server.writePlugin("single", `@tool('single')\ndef single(frame):\n    time.sleep(0.05)\n    return {'detections': [{${BOX}, 'x': 0}]}`);
  server.writePlugin("double", `@tool('double')\ndef double(frame):\n    time.sleep(0.05)\n    return {'detections': [{${BOX}, 'x': x} for x in (0, 20)]}`);
  server.writePlugin("broken", "import torch_is_not_here");
}

const BOX = "'class': 'thing', 'y': 24, 'width': 9, 'height': 9, 'confidence': 1.0";

/** A plugin whose results have all that a result may have, on frames of 640 × 360. */
export const CATALOGUE = `
@tool('catalogue', skeleton=((0, 1), (1, 2)))
def catalogue(frame):
    thing = {'confidence': 0.8, 'width': 100, 'height': 80}
    return {
        'detections': [
            {**thing, 'class': 'ball', 'x': 100, 'y': 50, 'mask': {'x': 100, 'y': 50, 'width': 100, 'height': 80, 'counts': '0Pj7'}},
            {**thing, 'class': 'ship', 'x': 300, 'y': 100, 'width': 120, 'height': 40, 'angle': 90},
            {**thing, 'class': 'plate', 'x': 450, 'y': 60, 'height': 100, 'polygon': [[450, 60], [550, 60], [500, 160]], 'text': 'B-XY 12'},
            {**thing, 'class': 'person', 'x': 380, 'y': 200, 'height': 150, 'keypoints': [[400, 220, 0.9], [400, 340, 0.9], [500, 220, 0.1]]},
        ],
        'classes': [{'class': 'street', 'confidence': 0.83}, {'class': 'square', 'confidence': 0.12}],
        'polygons': [{'points': [[50, 200], [250, 200], [250, 340], [50, 340]], 'label': 'door'}],
        'lines': [{'points': [[300, 210], [300, 340]], 'label': 'gate'}],
        'points': [{'x': 600, 'y': 300, 'label': 'goal'}],
        'metrics': {'door person': frame.index},
    }
`;
