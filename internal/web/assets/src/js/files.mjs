// Files that come in pieces: a bar, a pause, and after a lost connection it goes on where it was. The form that this
// replaces works without it. Every text stands in the page, in the reader's language; nothing is kept in the browser.
const root = document.querySelector('[data-files]')
const form = root.querySelector('form')
const input = form.querySelector('input[type=file]')
const list = root.querySelector('[data-files-list]')
const status = root.querySelector('[data-files-status]')
const send = root.querySelector('[data-files-send]')
const texts = new Map([...root.querySelectorAll('template[data-word]')].map((t) => [t.dataset.word, t.content.textContent]))
const say = (key, values = {}) => texts.get(key).replace(/\{(\w+)\}/g, (all, name) => (name in values ? values[name] : all))
const lang = document.documentElement.lang
const units = new Intl.NumberFormat(lang, { maximumFractionDigits: 1 })
const bytes = (n) => n >= 1 << 20 ? `${units.format(n / (1 << 20))} MB` : `${units.format(Math.ceil(n / 1024))} kB`
const home = new URL(form.action).pathname
const retry = [1, 2, 5, 10, 20, 30] // seconds

root.querySelector('[data-files-plain]').hidden = true
send.remove() // choosing is enough

const rows = []
let working = false

function element (name, className, text) {
  const e = document.createElement(name)
  if (className) e.className = className
  if (text) e.textContent = text
  return e
}

function button (text, name, act) {
  const b = element('button', 'govuk-button govuk-button--secondary govuk-!-margin-bottom-1', text)
  b.type = 'button'
  b.append(element('span', 'govuk-visually-hidden', ` ${name}`))
  b.addEventListener('click', act)
  return b
}

class Row {
  constructor (file, half) {
    this.file = file
    this.id = half
    this.got = 0
    this.state = 'waiting'
    this.piece = 256 << 10
    this.box = element('div', 'pl-file')
    this.box.append(element('p', 'pl-file__name pl-prose', file.name))
    this.bar = element('progress', 'pl-file__bar')
    this.bar.max = Math.max(file.size, 1)
    this.bar.setAttribute('aria-label', file.name)
    this.note = element('p', 'pl-file__note')
    this.tools = element('div', 'pl-file__tools')
    this.box.append(this.bar, this.note, this.tools)
    list.append(this.box)
    this.show('waiting')
  }

  percent () { return Math.floor(100 * this.got / Math.max(this.file.size, 1)) }

  show (state, values = {}) {
    const changed = this.state !== state
    this.state = state
    this.bar.value = this.got
    this.bar.hidden = state === 'failed' || state === 'done'
    this.box.dataset.state = state
    this.note.textContent = say(state, { got: bytes(this.got), size: bytes(this.file.size), percent: this.percent(), ...values })
    if (changed && ['paused', 'done', 'failed', 'lost'].includes(state)) status.textContent = say('part', { name: this.file.name, text: this.note.textContent })
    const kind = state === 'paused' ? 'resume' : state === 'failed' ? 'again' : state === 'done' ? '' : 'pause'
    if (this.kind === kind) return
    this.kind = kind
    this.tools.replaceChildren()
    if (kind === 'pause') this.tools.append(button(say('pause'), this.file.name, () => this.pause()))
    if (kind === 'resume' || kind === 'again') this.tools.append(button(say(kind), this.file.name, () => { this.show('waiting'); work() }))
    if (kind && kind !== 'pause') this.tools.append(button(say('remove'), this.file.name, () => this.remove()))
  }

  pause () {
    this.show('paused')
    this.stop?.abort()
    this.wake?.()
  }

  async remove () {
    rows.splice(rows.indexOf(this), 1)
    this.box.remove()
    if (this.id) await fetch(`${home}/${this.id}/drop`, { method: 'POST', redirect: 'manual' }).catch(() => {})
    input.focus()
  }

  rest (seconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, 1000 * seconds)
      this.wake = () => { clearTimeout(timer); resolve() }
      window.addEventListener('online', this.wake, { once: true })
    })
  }

  // ask sends one request; what comes back is the office's answer, or nothing where there was none.
  async ask (path, options) {
    this.stop = new AbortController()
    try {
      const answer = await fetch(home + path, { ...options, signal: this.stop.signal, headers: { Accept: 'application/json', ...options.headers } })
      const json = /json/.test(answer.headers.get('Content-Type') || '') ? await answer.json() : { error: '', again: answer.status >= 500 }
      return { status: answer.status, ok: answer.ok, ...json, ...(answer.redirected ? { over: true } : {}) } // led away: signed out
    } catch {
      return undefined
    }
  }

  async begin () {
    if (this.id) return this.ask(`/${this.id}`, { method: 'GET' })
    const body = new URLSearchParams({ name: this.file.name, size: this.file.size })
    return this.ask('/begin', { method: 'POST', body })
  }

  add () {
    return this.ask(`/${this.id}`, { method: 'PATCH', body: this.file.slice(this.got, this.got + this.piece),
      headers: { 'Upload-Offset': String(this.got), 'Content-Type': 'application/partial-upload' } })
  }

  // run sends the file; it returns when it has arrived, failed, or was paused.
  async run () {
    let failures = 0
    let known = false // how far it got
    for (;;) {
      if (this.state === 'paused') return
      const begun = Date.now()
      const answer = known ? await this.add() : await this.begin()
      if (this.state === 'paused') return
      if (answer?.over) { this.show('failed', { why: say('over') }); return }
      if (!answer || (answer.again && answer.status !== 409)) {
        this.show(answer?.error ? 'busy' : 'lost', { why: answer?.error })
        known = false
        await this.rest(retry[Math.min(failures++, retry.length - 1)])
        continue
      }
      if (answer.status === 404 && this.id && !known) { this.id = undefined; this.got = 0; continue } // expired: from the beginning
      if (!answer.ok && answer.status !== 409) { this.show('failed', { why: answer.error || String(answer.status) }); return }
      if (answer.status === 409 && !answer.id) { this.show('failed', { why: answer.error }); return }
      failures = 0
      this.id = answer.id
      this.got = answer.got
      if (answer.done) { this.show('done'); return }
      if (known && answer.ok) { // pieces of about two seconds: few requests on a fast line, little lost on a slow one
        const chunk = answer.chunk
        const better = this.piece * 2000 / Math.max(Date.now() - begun, 1)
        this.piece = Math.min(Math.max(Math.round(better / chunk), 1), 64) * chunk
      }
      known = true
      this.show('sending')
    }
  }
}

async function work () {
  if (working) return
  working = true
  for (let row; (row = rows.find((r) => r.state === 'waiting'));) {
    row.show('sending')
    await row.run()
  }
  working = false
  if (rows.length && rows.every((r) => r.state === 'done')) {
    status.textContent = say('all')
    window.location.assign(home)
  }
}

function take (files) {
  for (const file of files) {
    const half = [...root.querySelectorAll('[data-half]')].find((h) => h.dataset.name === file.name && h.dataset.size === String(file.size))
    if (rows.some((r) => r.file.name === file.name && r.file.size === file.size && r.state !== 'failed')) continue
    rows.push(new Row(file, half?.dataset.half))
    half?.remove()
  }
  input.value = ''
  work()
}

form.addEventListener('submit', (event) => { event.preventDefault(); take(input.files) })
input.addEventListener('change', () => take(input.files))
window.addEventListener('beforeunload', (event) => {
  if (rows.some((r) => r.state === 'sending' || r.state === 'waiting')) event.preventDefault()
})
