import { useEffect, useState } from "react";
import { inWords } from "../ui/inWords";
import { loadPicture, type PictureSource } from "./picture";

export interface Loading {
  picture: ImageBitmap | null;
  /** The reason why there is none, as a sentence. */
  error: string | null;
}

/** The picture of `from`, which must stay the same object; it is closed when the component leaves the page. */
export function usePicture(from: PictureSource): Loading {
  const [loading, setLoading] = useState<Loading>({ picture: null, error: null });
  useEffect(() => {
    const abort = new AbortController();
    const loaded = loadPicture(from, abort.signal);
    loaded.then(
      (picture) => abort.signal.aborted || setLoading({ picture, error: null }),
      (fault: unknown) => abort.signal.aborted || setLoading({ picture: null, error: inWords(fault) }),
    );
    return () => {
      abort.abort();
      loaded.then((picture) => picture.close(), () => undefined);
    };
  }, [from]);
  return loading;
}
