// Checks receipts as package verify does (verify/README.md), with nothing but what every browser has. It knows nothing of
// pages and words: what is wrong is thrown as a Flaw with a code, where it is, and a detail.
export class Flaw extends Error {
  constructor (code, { line = 0, entry = 0, detail = '' } = {}) {
    super(code)
    Object.assign(this, { code, line, entry, detail })
  }
}

// The browser lacks something: nothing was checked.
export class Unable extends Error {}

const header = 'c2sp.org/tlog-proof@v1'
const maxNumber = Number.MAX_SAFE_INTEGER
const maxPath = 63
const maxExtra = 4 << 20
const maxNote = 1 << 18
export const maxProof = maxNote + (maxPath + 3) * 64 + Math.floor(maxExtra / 3) * 4

const utf8 = new TextEncoder()
const read = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const spelling = (line, detail) => new Flaw('spelling', { line, detail })

// Bytes and base64, each in its one spelling.
const fromBinary = (s) => Uint8Array.from(s, (c) => c.charCodeAt(0))
const toBinary = (bytes) => {
  let s = ''
  for (let i = 0; i < bytes.length; i += 8192) s += String.fromCharCode(...bytes.subarray(i, i + 8192))
  return s
}
const encode = (bytes) => btoa(toBinary(bytes))
const decode = (s) => {
  if (typeof s !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(s) || s.length % 4) throw new Error('not standard base64')
  const binary = atob(s)
  if (btoa(binary) !== s) throw new Error('not standard base64')
  return fromBinary(binary)
}
const decodeHash = (s) => {
  const bytes = decode(s)
  if (bytes.length !== 32) throw new Error('not a SHA-256 hash in base64')
  return bytes
}
const join = (...parts) => {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const p of parts) { out.set(p, at); at += p.length }
  return out
}
const same = (a, b) => a.length === b.length && a.every((x, i) => x === b[i])

// A decimal number in its one spelling, below 2^63.
const number = (s) => {
  if (!/^(0|[1-9][0-9]{0,18})$/.test(s) || BigInt(s) >= 1n << 63n) throw new Error('not a plain decimal number')
  return BigInt(s)
}
const plainText = (s) => !/[\0-\x09\x0b-\x1f\x7f-\x9f]/.test(s)
const validName = (s) => s !== '' && !/[\p{White_Space}\p{Cc}+]/u.test(s)

const sha256 = async (...parts) => {
  const bytes = join(...parts)
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
}
const tagged = (tag, ...parts) => sha256(utf8.encode(tag), ...parts)
const leafHash = (leaf) => sha256([0], leaf)
const nodeHash = (left, right) => sha256([1], left, right)

// ---- Keys (C2SP signed-note)

const key32 = { 1: 'signs', 4: 'signs with a time' }

// parseKey reads one verifier key. Keys of kinds that browsers cannot check have no "check".
export async function parseKey (vkey) {
  const [name, id, ...rest] = vkey.split('+')
  const key64 = rest.join('+')
  if (!validName(name) || !id || !key64) throw new Error('form')
  let key
  try { key = decode(key64) } catch { throw new Error('form') }
  if (key.length < 2 || hex((await sha256(utf8.encode(name + '\n'), key)).subarray(0, 4)) !== id) throw new Error('id')
  const out = { name, id, kind: key[0] }
  if (!key32[out.kind]) return out
  if (key.length !== 33) throw new Error('form')
  let imported
  try {
    imported = await crypto.subtle.importKey('raw', key.subarray(1), { name: 'Ed25519' }, false, ['verify'])
  } catch { throw new Unable('Ed25519') }
  const holds = (sig, message) => crypto.subtle.verify({ name: 'Ed25519' }, imported, sig, message)
  out.check = async (text, sig) => {
    if (out.kind === 1) return sig.length === 64 && holds(sig, utf8.encode(text))
    if (sig.length !== 72) return false
    return holds(sig.subarray(8), utf8.encode(`cosignature/v1\ntime ${time(sig)}\n${text}`))
  }
  return out
}

// parseKeys reads keys, one on each line; empty lines and those that begin with # are left out. A wrong line is thrown as
// an Error with its number as "line".
export async function parseKeys (text) {
  const keys = []
  for (const [i, whole] of text.split('\n').entries()) {
    const line = whole.trim()
    if (line === '' || line.startsWith('#')) continue
    try { keys.push(await parseKey(line)) } catch (error) {
      error.line = i + 1
      throw error
    }
  }
  return keys
}

const hex = (bytes) => [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('')
const time = (sig) => new DataView(sig.buffer, sig.byteOffset).getBigUint64(0)

// ---- The file (C2SP tlog-proof)

function parseProof (bytes) {
  if (bytes.length > maxProof) throw new Flaw('too-long')
  let text
  let valid = true
  try { text = read.decode(bytes) } catch {
    valid = false
    text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
  }
  if (!text.startsWith(header)) throw new Flaw('not-a-receipt')
  if (text.includes('\r')) throw new Flaw('line-ends')
  const cut = text.indexOf('\n\n')
  const lines = (cut < 0 ? text : text.slice(0, cut)).split('\n')
  const checkpoint = cut < 0 ? '' : text.slice(cut + 2)
  if (lines[0] !== header) throw new Flaw('not-a-receipt', { line: 1 })
  let at = 1
  let extra = null
  if (at < lines.length && lines[at].startsWith('extra ')) {
    try { extra = decode(lines[at].slice(6)) } catch { throw spelling(at + 1, 'extra') }
    if (extra.length > maxExtra) throw new Flaw('too-long', { line: at + 1 })
    at++
  }
  if (at >= lines.length) throw spelling(at, 'index')
  if (!lines[at].startsWith('index ')) throw spelling(at + 1, 'index')
  let index
  try { index = number(lines[at].slice(6)) } catch { throw spelling(at + 1, 'index') }
  const path = []
  for (at++; at < lines.length; at++) {
    if (path.length === maxPath) throw new Flaw('too-long', { line: at + 1 })
    try { path.push(decodeHash(lines[at])) } catch { throw spelling(at + 1, 'path') }
  }
  if (checkpoint === '') throw spelling(lines.length, 'checkpoint')
  if (!valid || !plainText(text)) throw spelling(0, 'characters')
  return { extra, index, path, checkpoint }
}

// parseReceipt reads the file and what its line "extra" opens. It checks the form alone.
export function parseReceipt (bytes) {
  const p = parseProof(bytes)
  if (p.extra === null) throw new Flaw('closed')
  const version = /^\{"receipt":([1-9][0-9]{0,8})[,}]/.exec(toBinary(p.extra))
  if (version && version[1] !== '1') throw new Flaw('version', { line: 2, detail: version[1] })
  let x
  try {
    const json = read.decode(p.extra)
    x = JSON.parse(json)
    if (canonical(x) !== json) throw new Error('another spelling')
  } catch { throw spelling(2, 'extra') }
  if (p.index > BigInt(maxNumber)) throw spelling(3, 'index')
  const opened = (o) => {
    const out = { step: half(o.step), whole: half(o.whole) }
    if (!o.said) return out
    if (out.whole.hash) throw new Error('said of what stays closed')
    return { ...out, said: new Map(Object.keys(o.said).sort().map((name) => [name, sealedHalf(name, o.said[name])])) }
  }
  const r = { index: Number(p.index), path: p.path, checkpoint: p.checkpoint, further: [] }
  try { r.opening = opened(x.opening) } catch { throw spelling(2, 'opening') }
  if (r.opening.step.hash) throw new Flaw('closed', { entry: 1 })
  for (const f of x.further || []) {
    try {
      if (f.as !== 'step' && f.as !== 'lead') throw new Error('as')
      if (f.index > maxNumber || f.path.length > maxPath || !f.opening === !f.commitment) throw new Error('form')
      const further = { as: f.as, index: f.index, path: f.path.map(decodeHash) }
      if (f.opening) {
        further.opening = opened(f.opening)
        if (further.opening.step.hash) throw new Error('closed')
      } else further.commitment = decodeHash(f.commitment)
      r.further.push(further)
    } catch { throw spelling(2, 'further') }
  }
  return r
}

// canonical writes the JSON of a receipt in its one spelling; what has another shape becomes something else or throws.
function canonical (x) {
  const halfOf = (h) => ({ ...(h.salt && { salt: text(h.salt) }), ...(h.content && { content: text(h.content) }), ...(h.hash && { hash: text(h.hash) }) })
  const saidOf = (said) => {
    if (typeof said !== 'object' || Array.isArray(said)) throw new Error('said')
    return Object.fromEntries(Object.keys(said).sort().map((name) => [name, { salt: text(said[name].salt), content: text(said[name].content) }]))
  }
  const openingOf = (o) => ({ step: halfOf(o.step), whole: halfOf(o.whole), ...(o.said && Object.keys(o.said).length && { said: saidOf(o.said) }) })
  const text = (s) => { if (typeof s !== 'string') throw new Error('not a text'); return s }
  const furtherOf = (f) => {
    if (!Number.isSafeInteger(f.index) || f.index < 0) throw new Error('index')
    return { as: text(f.as), index: f.index, path: f.path.map(text), ...(f.commitment && { commitment: text(f.commitment) }), ...(f.opening && { opening: openingOf(f.opening) }) }
  }
  if (x.receipt !== 1) throw new Error('version')
  return JSON.stringify({ receipt: 1, opening: openingOf(x.opening), ...(x.further?.length && { further: x.further.map(furtherOf) }) })
}

function half (h) {
  if (h.hash) {
    if (h.salt || h.content) throw new Error('both')
    return { hash: decodeHash(h.hash) }
  }
  const out = { salt: decodeHash(h.salt), content: decode(h.content) }
  if (!out.content.length) throw new Error('empty')
  return out
}

const compartment = /^[a-z][a-z0-9-]{0,31}$/

function sealedHalf (name, s) {
  if (!compartment.test(name)) throw new Error('no name of a compartment')
  const out = { salt: decodeHash(s.salt), content: decode(s.content) }
  if (!out.content.length) throw new Error('empty')
  return out
}

// ---- The checkpoint (C2SP tlog-checkpoint, tlog-cosignature)

function parseCheckpoint (signed) {
  if (utf8.encode(signed).length > maxNote) throw new Flaw('too-long')
  const cut = signed.lastIndexOf('\n\n')
  if (cut < 0 || !signed.endsWith('\n') || cut + 2 === signed.length) throw spelling(0, 'checkpoint')
  const text = signed.slice(0, cut + 1)
  const lines = signed.slice(cut + 2, -1).split('\n')
  if (lines.length > 100) throw spelling(0, 'checkpoint')
  const signatures = lines.map((line) => {
    try {
      if (!line.startsWith('— ')) throw new Error('no signature')
      const rest = line.slice(2)
      const space = rest.indexOf(' ')
      const name = space < 0 ? rest : rest.slice(0, space)
      const sig = decode(space < 0 ? '' : rest.slice(space + 1))
      if (!validName(name) || sig.length < 5) throw new Error('no signature')
      return { name, id: hex(sig.subarray(0, 4)), sig: sig.slice(4) }
    } catch { throw spelling(0, 'signature') }
  })
  const body = text.slice(0, -1).split('\n')
  try {
    if (body.length < 3 || body.includes('')) throw new Error('lines')
    return { text, signatures, origin: body[0], size: number(body[1]), root: decodeHash(body[2]) }
  } catch { throw spelling(0, 'checkpoint') }
}

const find = (keys, s) => keys.find((k) => k.check && k.name === s.name && k.id === s.id)

async function openCheckpoint (signed, logs, witnesses) {
  const c = parseCheckpoint(signed)
  const own = logs.filter((k) => k.check && k.name === c.origin)
  if (!own.length) throw new Flaw('unknown-log', { detail: c.origin })
  c.signedBy = []
  c.witnesses = []
  const seen = new Set()
  for (const s of c.signatures) {
    const key = find(own, s) || find(witnesses, s)
    if (!key || seen.has(s.name + '+' + s.id)) continue
    seen.add(s.name + '+' + s.id)
    if (!await key.check(c.text, s.sig)) throw new Flaw('signature', { detail: s.name })
    const out = { name: s.name, key: s.id }
    if (key.kind !== 1 && time(s.sig) < 1n << 40n) out.at = new Date(Number(time(s.sig)) * 1000).toISOString().replace('.000Z', 'Z')
    ;(find(own, s) ? c.signedBy : c.witnesses).push(out)
  }
  if (!c.signedBy.length) throw new Flaw('unsigned', { detail: c.origin })
  if (c.size > BigInt(maxNumber)) throw new Flaw('too-long')
  c.size = Number(c.size)
  return c
}

// included reports whether a leaf stands at index in the tree (RFC 9162, section 2.1.3.2).
async function included (c, index, leaf, path) {
  if (index >= c.size) return false
  const halve = (n) => Math.floor(n / 2)
  let [fn, sn, r] = [index, c.size - 1, leaf]
  for (const p of path) {
    if (sn === 0) return false
    if (fn % 2 === 1 || fn === sn) {
      r = await nodeHash(p, r)
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [halve(fn), halve(sn)]
    } else r = await nodeHash(r, p)
    ;[fn, sn] = [halve(fn), halve(sn)]
  }
  return sn === 0 && same(r, c.root)
}

// ---- Steps

const stepHeader = 'plumbline step v1'

const escape = (s) => [...utf8.encode(s)].map((c) => c > 0x20 && c < 0x7f && c !== 0x25
  ? String.fromCharCode(c)
  : '%' + c.toString(16).toUpperCase().padStart(2, '0')).join('')

const unescape = (s) => {
  if (s === '' || !/^([!-$&-~]|%[0-9A-F]{2})+$/.test(s)) throw new Error('another spelling')
  const out = read.decode(fromBinary(s.replace(/%(..)/g, (_, h) => String.fromCharCode(parseInt(h, 16)))))
  if (escape(out) !== s) throw new Error('another spelling')
  return out
}

// instant checks a time of up to six digits after the second and returns it with six.
const instant = (s) => {
  const m = /^([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6}))?Z$/.exec(s)
  if (!m || m[1] === '0000') throw new Error('no time')
  const d = new Date(`${m[1]}-${m[2]}-${m[3]}T${m[4]}:${m[5]}:${m[6]}.000Z`)
  if (isNaN(d) || d.toISOString() !== `${m[1]}-${m[2]}-${m[3]}T${m[4]}:${m[5]}:${m[6]}.000Z`) throw new Error('no time')
  return s.slice(0, 19) + '.' + (m[7] || '').padEnd(6, '0') + 'Z'
}

// stepText writes a step as it is committed to; "at" stands with its six digits.
export const stepText = (s) => `${stepHeader}\nstream ${escape(s.stream)}\nn ${s.n}\nat ${s.at}\naction ${escape(s.action)}\n` +
  (s.missed ? `missed ${s.missed.map(escape).join(' ')}\n` : '')

const count = (s) => {
  if (!/^[1-9][0-9]{0,15}$/.test(s) || Number(s) > maxNumber) throw new Error('no number')
  return Number(s)
}

export function parseStep (text) {
  const lines = text.split('\n')
  if ((lines.length !== 6 && lines.length !== 7) || lines.at(-1) !== '' || lines[0] !== stepHeader) throw new Error('no step')
  const after = (i, name) => {
    if (!lines[i].startsWith(name)) throw new Error('no step')
    return lines[i].slice(name.length)
  }
  const s = { stream: unescape(after(1, 'stream ')), n: count(after(2, 'n ')), at: instant(after(3, 'at ')), action: unescape(after(4, 'action ')) }
  if (lines.length === 7) s.missed = after(5, 'missed ').split(' ').map(unescape)
  if (stepText(s) !== text) throw new Error('another spelling')
  return s
}

// stepOf derives the step of an entry from its exact bytes.
export function stepOf (bytes) {
  const members = object(read.decode(bytes))
  const s = { stream: textOf(members.get('stream')), n: count(members.get('n') || ''), at: instant(textOf(members.get('at'))), action: textOf(members.get('action')) }
  const missed = s.action === 'clock.missed' ? ranOut(members.get('changes')) : []
  if (missed.length) s.missed = missed
  return s
}

const textOf = (raw) => {
  if (!raw?.startsWith('"') || raw === '""') throw new Error('no text')
  return JSON.parse(raw)
}

function ranOut (changes) {
  const out = []
  if (!changes?.startsWith('[')) return out
  const soft = (raw) => { try { return textOf(raw) } catch { return '' } }
  for (const raw of parts(changes)) {
    let c
    try { c = object(raw) } catch { continue }
    const id = soft(c.get('id'))
    if (soft(c.get('op')) === 'clock' && soft(c.get('state')) === 'missed' && id) out.push(id)
  }
  return out
}

// object reads the members of a JSON object by name, each as it is written; a name that stands twice is refused, because
// two readers could take one entry for two things.
function object (json) {
  const x = JSON.parse(json)
  if (x === null || typeof x !== 'object' || Array.isArray(x)) throw new Error('no object')
  const out = new Map()
  for (const part of parts(json)) {
    const end = /^"(?:[^"\\]|\\.)*"/.exec(part)[0].length
    const name = JSON.parse(part.slice(0, end))
    if (out.has(name)) throw new Error('twice')
    out.set(name, part.slice(end).replace(/^[ \t\n\r]*:/, '').replace(/^[ \t\n\r]+|[ \t\n\r]+$/g, ''))
  }
  return out
}

// parts splits valid JSON, an object or a list, into what stands between its commas.
function parts (json) {
  const out = []
  const token = /"(?:[^"\\]|\\.)*"|[[\]{},]/g
  let [depth, from] = [0, 0]
  for (let m = token.exec(json); m; m = token.exec(json)) {
    const c = m[0]
    if (c === '{' || c === '[') {
      if (++depth === 1) from = token.lastIndex
    } else if ((c === ',' && depth === 1) || ((c === '}' || c === ']') && --depth === 0)) {
      out.push(json.slice(from, m.index).replace(/^[ \t\n\r]+|[ \t\n\r]+$/g, ''))
      from = token.lastIndex
    }
  }
  return out.length === 1 && out[0] === '' ? [] : out
}

// ---- The check

const brief = (s) => ({ ...s, at: s.at.replace(/\.?0+Z$/, 'Z') }) // as JSON of Go writes it

async function commitment (o) {
  const step = o.step.hash || await tagged('plumbline step v1\n', o.step.salt, o.step.content)
  const whole = o.whole.hash || await tagged('plumbline entry v1\n', o.whole.salt, o.whole.content)
  return tagged('plumbline leaf v1\n', step, whole)
}

async function checkEntry (c, no, as, index, path, o, closed) {
  const committed = o ? await commitment(o) : closed
  if (!await included(c, index, await leafHash(committed), path)) throw new Flaw('path', { entry: no, detail: `${index + 1} / ${c.size}` })
  const e = { ...(as && { as }), position: index + 1, commitment: encode(committed) }
  if (!o) return e
  try { e.step = parseStep(toBinary(o.step.content)) } catch { throw new Flaw('step', { entry: no }) }
  if (!o.whole.hash) {
    e.whole = o.whole.content
    let own
    try { own = stepText(stepOf(e.whole)) } catch { throw new Flaw('disagree', { entry: no }) }
    if (own !== stepText(e.step)) throw new Flaw('disagree', { entry: no })
    const sealed = sealedIn(e.whole)
    for (const [name, { salt, content }] of o.said || []) {
      if (!sealed.has(name) || !same(await tagged('plumbline sealed v1\n', salt, content), sealed.get(name))) throw new Flaw('said', { entry: no, detail: name })
      e.said = (e.said || new Map()).set(name, withoutSpaces(content))
    }
    const closed = [...sealed.keys()].filter((name) => !e.said?.has(name))
    if (closed.length) e.closed = closed
  }
  return e
}

// sealedIn reads the commitments to what an entry seals, by compartment; what has another form seals nothing.
function sealedIn (bytes) {
  const out = new Map()
  let list
  try { list = object(object(read.decode(bytes)).get('sealed')) } catch { return out }
  for (const [name, raw] of list) {
    if (!compartment.test(name)) continue
    try { out.set(name, decodeHash(textOf(object(raw).get('commitment')))) } catch { /* another form */ }
  }
  return out
}

const withoutSpaces = (bytes) => {
  let n = bytes.length
  while (n && bytes[n - 1] === 0x20) n--
  return bytes.subarray(0, n)
}

// fieldsOf reads what an entry sealed field by field: texts as they are, everything else as JSON. It is null where that is no
// object, or a name stands in it twice.
export function fieldsOf (bytes) {
  try {
    return [...object(read.decode(bytes))].map(([name, raw]) => ({ name, text: raw.startsWith('"') ? JSON.parse(raw) : raw }))
  } catch { return null }
}

function checkOrder (all) {
  const no = new Map()
  all.forEach((e, i) => {
    if (no.has(e.position)) throw new Flaw('twice', { entry: i + 1 })
    no.set(e.position, i + 1)
  })
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0)
  const opened = all.filter((e) => e.step).sort((a, b) => compare(a.step.stream, b.step.stream) || a.step.n - b.step.n || a.position - b.position)
  opened.forEach((b, i) => {
    if (b.step.n > b.position) throw new Flaw('order', { entry: no.get(b.position) })
    const a = opened[i - 1]
    if (!a || a.step.stream !== b.step.stream) return
    if (a.step.n === b.step.n) throw new Flaw('twice', { entry: no.get(b.position) })
    if (a.position > b.position || b.step.n - a.step.n > b.position - a.position) throw new Flaw('order', { entry: no.get(b.position) })
  })
}

// check checks the bytes of a receipt with keys of logs and witnesses (parseKeys), and returns what it proves in the shape
// of Proven in package verify. What does not hold is thrown as a Flaw.
export async function check (bytes, { logs, witnesses }) {
  const r = parseReceipt(bytes)
  const c = await openCheckpoint(r.checkpoint, logs, witnesses)
  const out = { origin: c.origin, size: c.size, root: encode(c.root), signed_by: c.signedBy, witnesses: c.witnesses, further: [], missed: [], gaps: [] }
  const main = await checkEntry(c, 1, '', r.index, r.path, r.opening)
  const all = [main]
  for (const [i, f] of r.further.entries()) {
    const e = await checkEntry(c, i + 2, f.as, f.index, f.path, f.opening, f.commitment)
    if (e.as === 'step' && e.step && e.step.stream !== main.step.stream) throw new Flaw('stray', { entry: i + 2 })
    all.push(e)
  }
  checkOrder(all)
  const inLog = (a, b) => a.position - b.position
  let next = 1
  for (const e of all.filter((e) => e.step && e.step.stream === main.step.stream).sort(inLog)) {
    if (e.step.n > next) out.gaps.push({ from: next, to: e.step.n - 1 })
    next = e.step.n + 1
    for (const clock of e.step.missed || []) out.missed.push({ clock, n: e.step.n, position: e.position })
  }
  for (const e of all) if (e.step) e.step = brief(e.step)
  out.entry = main
  out.further = all.slice(1).sort(inLog)
  return out
}

// parseFragment unpacks what stands behind the # of an address.
export async function parseFragment (fragment) {
  const packed = fragment.startsWith('r1.') ? fragment.slice(3) : null
  if (packed === null) throw new Flaw('not-a-receipt')
  if (typeof DecompressionStream === 'undefined') throw new Unable('DecompressionStream')
  const chunks = []
  let length = 0
  try {
    if (!/^[A-Za-z0-9_-]*$/.test(packed)) throw new Error('not base64')
    const bytes = fromBinary(atob(packed.replace(/-/g, '+').replace(/_/g, '/')))
    const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw')).getReader()
    for (let part = await reader.read(); !part.done && length <= maxProof; part = await reader.read()) {
      chunks.push(part.value)
      length += part.value.length
    }
  } catch { throw spelling(0, 'fragment') }
  if (length > maxProof) throw new Flaw('too-long')
  return join(...chunks)
}
