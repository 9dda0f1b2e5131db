// A query picture as the server sees it: upright, its first frame, on white.

import { el } from "./elements.js";

const LONGEST = 1200;

/**
 * Draw a picture, or the part of it within a box.
 * @param {File} file
 * @param {import("./box.js").Box|null} [box]
 * @returns {Promise<{canvas: HTMLCanvasElement, size: import("./box.js").Size}>} `size` is that of the full picture.
 *   Rejects where the browser cannot read the file.
 */
export async function drawPicture(file, box = null) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  const size = { width: bitmap.width, height: bitmap.height };
  const canvas = drawPart(bitmap, box ?? { x: 0, y: 0, ...size });
  bitmap.close();
  return { canvas, size };
}

function drawPart(bitmap, { x, y, width, height }) {
  const scale = Math.min(1, LONGEST / Math.max(width, height));
  const [across, down] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  const canvas = el("canvas", { width: across, height: down });
  const context = canvas.getContext("2d", { alpha: false });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, across, down);
  context.drawImage(bitmap, x, y, width, height, 0, 0, across, down);
  return canvas;
}
