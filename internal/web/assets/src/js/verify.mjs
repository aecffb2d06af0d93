// The page that checks receipts. It only fills in: every text stands in the page, in the reader's language. Nothing is
// sent anywhere; the page's policy allows no connection.
import { check, fieldsOf, parseFragment, parseKeys, maxProof, Flaw, Unable } from './receipt.mjs'

const root = document.querySelector('[data-verify]')
const texts = (attribute) => new Map([...root.querySelectorAll(`template[${attribute}]`)].map((t) => [t.getAttribute(attribute), t.content.textContent]))
const words = texts('data-word')
const names = texts('data-name')
const origins = root.dataset.origins.split('\n').filter(Boolean)
const field = (name) => root.querySelector(`#verify-${name}`)
const result = root.querySelector('[data-result]')
const number = new Intl.NumberFormat(root.dataset.lang)
const listed = new Intl.ListFormat(root.dataset.lang)

// A name in a receipt is somebody else's text: what would change the direction of reading is taken out.
const clean = (s) => String(s).replace(/[\p{Cc}\p{Cf}]/gu, '\ufffd')
const cleanLines = (s) => String(s).split('\n').map(clean).join('\n')
const say = (key, values = {}) => words.get(key).replace(/\{(\w+)\}/g, (all, name) => (name in values ? clean(values[name]) : all))

// ---- What is shown

function element (name, className, text) {
  const e = document.createElement(name)
  e.className = className
  if (text !== undefined) e.textContent = text
  return e
}

function list (title, lines, intro) {
  if (!lines.length) return
  result.append(element('h3', 'govuk-heading-s govuk-!-margin-bottom-2', title))
  if (intro) result.append(element('p', 'govuk-body', intro))
  const ul = element('ul', 'govuk-list govuk-list--bullet')
  for (const line of lines) ul.append(element('li', 'pl-prose', line))
  result.append(ul)
}

function head (tone, title, ...lines) {
  result.replaceChildren()
  const note = element('div', `pl-note pl-note--${tone}`)
  note.append(element('h2', 'govuk-heading-m govuk-!-margin-bottom-1', title))
  for (const line of lines) note.append(element('p', 'govuk-body', line))
  result.append(note)
  result.hidden = false
  result.dataset.tone = tone
}

const instants = (() => {
  const style = { dateStyle: 'long', timeStyle: 'long' }
  try { return new Intl.DateTimeFormat(root.dataset.lang, { ...style, timeZone: root.dataset.zone }) } catch {
    return new Intl.DateTimeFormat(root.dataset.lang, { ...style, timeZone: 'UTC' })
  }
})()
const moment = (iso) => instants.format(new Date(iso))

// told shows what an entry sealed, as far as the receipt opens it: first of all what was written, field by field.
function told (said, part, named) {
  if (!said) return
  result.append(element('h3', 'govuk-heading-s govuk-!-margin-bottom-2', say('said')), element('p', 'govuk-body', say('said.text')))
  for (const [name, content] of said) {
    const fields = fieldsOf(content)
    result.append(element('h4', 'govuk-heading-s govuk-!-margin-bottom-1', clean(part(name))))
    if (!fields) {
      result.append(element('p', 'govuk-body pl-prose', cleanLines(new TextDecoder().decode(content))))
      continue
    }
    const list = element('dl', 'govuk-summary-list')
    for (const field of fields) {
      const row = element('div', 'govuk-summary-list__row')
      row.append(element('dt', 'govuk-summary-list__key', clean(named('field', field.name))), element('dd', 'govuk-summary-list__value pl-prose', cleanLines(field.text)))
      list.append(row)
    }
    result.append(list)
  }
}

function show (p, witnesses, skipped) {
  const own = origins.includes(p.origin) // only then does this office know what the names mean
  const named = (kind, id) => (own && names.get(`${kind}:${id}`)) || id
  const part = (id) => names.get(`part:${id}`) || id
  const values = (e) => ({ position: number.format(e.position), n: number.format(e.step.n), stream: e.step.stream, action: named('action', e.step.action), time: moment(e.step.at) })

  head('green', say('holds'), say('holds.text'))
  result.dataset.outcome = 'holds'
  list(say('proves'), [
    ...p.signed_by.map((s) => say('proves.log', { origin: p.origin, size: number.format(p.size), key: s.key })),
    say('proves.place', { position: number.format(p.entry.position) }),
    say('proves.entry', values(p.entry)),
    ...p.witnesses.map((w) => w.at ? say('proves.witness', { name: w.name, time: moment(w.at) }) : ''),
  ].filter(Boolean))

  const all = [p.entry, ...p.further].sort((a, b) => a.position - b.position)
  const stepLine = (e) => {
    if (!e.step) return say('step.closed', { position: number.format(e.position) })
    let line = say(e.as === 'lead' ? 'step.lead' : 'step', values(e))
    for (const id of e.step.missed || []) line += ' ' + say('step.clock', { clock: named('clock', id) })
    return e === p.entry ? `${line} ${say('step.this')}` : line
  }
  list(say('steps'), all.map(stepLine))
  list(say('missed'), p.missed.map((m) => say('missed.line', { clock: named('clock', m.clock), position: number.format(m.position) })), p.missed.length ? say('missed.text') : '')
  told(p.entry.said, part, named)
  if (p.entry.whole) {
    // What is sealed stands in it as ciphertext: a long run of letters that is there for whoever wants to look.
    const sealed = p.entry.said || p.entry.closed
    const title = element(sealed ? 'summary' : 'h3', sealed ? 'govuk-details__summary' : 'govuk-heading-s govuk-!-margin-bottom-2')
    title.append(element('span', sealed ? 'govuk-details__summary-text' : '', say('written')))
    const box = element(sealed ? 'details' : 'div', sealed ? 'govuk-details' : '')
    const inner = element('div', sealed ? 'govuk-details__text' : '')
    inner.append(element('p', 'govuk-body', say('written.text')), element('p', 'govuk-body pl-code', clean(new TextDecoder().decode(p.entry.whole))))
    box.append(title, inner)
    result.append(box)
  }

  const silent = witnesses.filter((w) => !p.witnesses.some((s) => s.name === w.name && s.key === w.id))
  const last = Math.max(...all.filter((e) => e.step?.stream === p.entry.step.stream).map((e) => e.step.n))
  list(say('not'), [
    !p.entry.whole && say('not.closed'),
    ...(p.entry.closed || []).map((name) => say('not.sealed', { name: part(name) })),
    ...p.gaps.map((g) => say(g.from === g.to ? 'not.gap' : 'not.gaps', { from: number.format(g.from), to: number.format(g.to) })),
    say('not.later', { last: number.format(last) }),
    say('not.true'),
    p.witnesses.length ? say('not.time') : say('not.split'),
    ...silent.map((w) => say('not.witness', { name: w.name })),
    skipped.length && say('key.skipped', { name: listed.format(skipped) }),
  ].filter(Boolean))
}

function showFlaw (flaw) {
  const lines = []
  if (flaw.line) lines.push(say('fails.where') + ' ' + say('where.line', { line: flaw.line }))
  else if (flaw.entry === 1) lines.push(say('fails.where') + ' ' + say('where.entry'))
  else if (flaw.entry) lines.push(say('fails.where') + ' ' + say('where.further', { n: flaw.entry - 1 }))
  lines.push(say('fails.what') + ' ' + say('flaw.' + flaw.code))
  if (flaw.code === 'unknown-log' || flaw.code === 'signature') lines.push(say('fails.name', { name: flaw.detail }))
  lines.push(say('fails.do') + ' ' + say('do.' + flaw.code))
  head('red', say('fails'), say('fails.text'), ...lines)
  result.dataset.outcome = flaw.code
}

function showProblem (...lines) {
  head('amber', say('problem'), ...lines)
  result.dataset.outcome = 'problem'
}

// ---- What is read

// keys reads a field of keys. A wrong line is the reader's to mend, and says nothing about the receipt.
async function keys (name) {
  try {
    const all = await parseKeys(field(name).value)
    return { usable: all.filter((k) => k.check), skipped: all.filter((k) => !k.check).map((k) => k.name) }
  } catch (error) {
    if (error instanceof Unable || !error.line) throw error
    showProblem(say(error.message === 'id' ? 'key.id' : 'key.form', { line: error.line }))
    field(name).focus()
    return null
  }
}

let file = null

async function bytes () {
  if (location.hash.startsWith('#r1.') && !file && !field('text').value.trim()) return parseFragment(location.hash.slice(1))
  if (file) {
    if (file.size > maxProof) throw new Flaw('too-long')
    return new Uint8Array(await file.arrayBuffer())
  }
  const pasted = field('text').value.trim()
  const at = pasted.indexOf('#r1.')
  if (at >= 0 && !pasted.includes('\n')) return parseFragment(pasted.slice(at + 1))
  return pasted ? new TextEncoder().encode(pasted + '\n') : null // what copying adds or leaves around the text does not matter
}

let turn = 0

async function run () {
  const mine = ++turn
  try {
    if (!globalThis.crypto?.subtle) throw new Unable('crypto')
    const receipt = await bytes()
    if (!receipt) return showProblem(say('nothing'))
    const [logs, witnesses] = [await keys('key'), await keys('witness')]
    if (!logs || !witnesses) return
    if (!logs.usable.length) return showProblem(say('key.none'), ...(logs.skipped.length ? [say('key.skipped', { name: listed.format(logs.skipped) })] : []))
    const proven = await check(receipt, { logs: logs.usable, witnesses: witnesses.usable })
    if (mine === turn) show(proven, witnesses.usable, [...logs.skipped, ...witnesses.skipped])
  } catch (error) {
    if (mine !== turn) return
    if (error instanceof Flaw) showFlaw(error)
    else showProblem(say(error instanceof Unable ? (error.message === 'crypto' ? 'unable' : 'unable.old') : 'unable.old'))
  } finally {
    if (mine === turn && !result.hidden && !document.activeElement?.matches('textarea')) {
      result.focus({ preventScroll: true })
      result.scrollIntoView({ block: 'start' })
    }
  }
}

function take (chosen) {
  file = chosen
  if (file) field('text').value = ''
  return run()
}

root.querySelector('[data-check]').addEventListener('click', run)
field('file').addEventListener('change', () => take(field('file').files[0] || null))
field('text').addEventListener('input', () => { file = null; field('file').value = '' })
const drop = root.querySelector('[data-drop]')
for (const event of ['dragenter', 'dragover']) {
  drop.addEventListener(event, (e) => { e.preventDefault(); drop.classList.add('is-over') })
}
for (const event of ['dragleave', 'drop']) drop.addEventListener(event, () => drop.classList.remove('is-over'))
drop.addEventListener('drop', (e) => {
  e.preventDefault()
  if (e.dataTransfer.files.length) take(e.dataTransfer.files[0])
  else {
    field('text').value = e.dataTransfer.getData('text/plain')
    take(null)
  }
})

// A QR code leads here with the receipt behind #, which browsers keep to themselves. Another language keeps it too.
function fromAddress () {
  for (const link of document.querySelectorAll('a[hreflang]')) link.hash = location.hash
  if (!location.hash.startsWith('#r1.')) return // a place within the page
  file = null
  field('file').value = field('text').value = ''
  run()
}
window.addEventListener('hashchange', fromAddress)
fromAddress()
