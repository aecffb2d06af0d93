// A small task that a browser solves while its reader reads: a number that, hashed with the task on the page, begins with
// enough zeros. A report that carries one goes before those that do not when very many come in at once. Nobody has to run
// this; without it a report is taken like any other. The hash is SHA-256 of one block, written out here because the
// browser's own works one promise at a time, and not at all on pages without TLS.

const BITS = 16 // as intake.WorkBits
const K = []
const H = []
{
  // The constants of SHA-256: the first bits of the fractional parts of roots of the first primes.
  const part = (x) => ((x - Math.floor(x)) * 4294967296) | 0
  for (let n = 2; K.length < 64; n++) {
    let prime = true
    for (let d = 2; d * d <= n; d++) if (n % d === 0) { prime = false; break }
    if (!prime) continue
    if (H.length < 8) H.push(part(Math.sqrt(n)))
    K.push(part(Math.cbrt(n)))
  }
}

const w = new Int32Array(64)

// firstWord returns the first 32 bits of the hash of a text of at most 55 characters, all of them ASCII.
export function firstWord(text) {
  w.fill(0, 0, 16)
  for (let i = 0; i < text.length; i++) w[i >> 2] |= text.charCodeAt(i) << (24 - 8 * (i & 3))
  w[text.length >> 2] |= 0x80 << (24 - 8 * (text.length & 3))
  w[15] = text.length * 8
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15], y = w[i - 2]
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10)
    w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0
  }
  let [a, b, c, d, e, f, g, h] = H
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
    h = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0
  }
  return (a + H[0]) >>> 0
}

// solve looks for the number a little at a time, so that typing is never held up.
export function solve(task, found) {
  let n = 0
  const some = () => {
    const until = performance.now() + 8
    while (performance.now() < until) {
      for (let i = 0; i < 50; i++, n++) {
        if (firstWord(`${task}:${n}`) >>> (32 - BITS) === 0) return found(String(n))
      }
    }
    setTimeout(some, 12)
  }
  setTimeout(some, 300)
}

export function work(root) {
  const task = root.querySelector('input[name="_task"]')
  const answer = task?.form?.elements.namedItem('_work')
  if (task && answer && !answer.value && task.value.length < 40) solve(task.value, (n) => { answer.value = n })
}
