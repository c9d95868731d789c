/** What can be chosen in the media folder: its files, and its folders of images, each of which is one source. */
import type { MediaFile } from "../api/generated";

export interface MediaEntry {
  /** The source of a job. */
  name: string;
  bytes: number;
  /** The number of images in a folder; null for a file. */
  images: number | null;
}

const IMAGE = /\.(jpe?g|png|bmp|webp|tiff?|gif|ppm|pgm)$/i;

/** The folders that have more than one image, then the files that have every word of `search`.
 *
 * The images of a folder stand for themselves only if they are searched for.
 */
export function mediaEntries(files: readonly MediaFile[], search: string): MediaEntry[] {
  const words = search.toLowerCase().split(/\s+/);
  const fits = ({ name }: { name: string }) => words.every((word) => name.toLowerCase().includes(word));
  const folders = new Map<string, MediaEntry>();
  for (const { name, bytes } of files) {
    const folder = name.slice(0, Math.max(0, name.lastIndexOf("/")));
    if (folder === "" || !IMAGE.test(name)) continue;
    const known = folders.get(folder) ?? { name: folder, bytes: 0, images: 0 };
    folders.set(folder, { ...known, bytes: known.bytes + bytes, images: (known.images ?? 0) + 1 });
  }
  const sequences = [...folders.values()].filter(({ images }) => (images ?? 0) > 1);
  const inSequence = (name: string) => sequences.some((folder) => name.lastIndexOf("/") === folder.name.length && name.startsWith(folder.name)) && IMAGE.test(name);
  const single = files.filter((file) => fits(file) && (search !== "" || !inSequence(file.name)));
  return [...sequences.filter(fits), ...single.map((file) => ({ ...file, images: null }))];
}
