// Passkeys: asks the browser for one and puts its answer into the form, which is then sent like any other. What the
// passkey says for the vault (the extension "prf") goes along; it stays on the page for no longer than that.

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0))
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')

// What the server asks, with bytes where it has texts.
function question (options) {
  const q = { ...options, challenge: bytes(options.challenge) }
  if (q.user) q.user = { ...q.user, id: bytes(q.user.id) }
  for (const list of ['excludeCredentials', 'allowCredentials']) {
    if (q[list]) q[list] = q[list].map((c) => ({ ...c, id: bytes(c.id) }))
  }
  const prf = q.extensions?.prf?.eval
  if (prf) q.extensions = { ...q.extensions, prf: { eval: { first: bytes(prf.first) } } }
  return q
}

const secret = (credential) => credential.getClientExtensionResults().prf?.results?.first

// What goes to the server. The answer of "prf" is not part of it: it has a field of its own.
function answer (credential) {
  const r = credential.response
  const response = { clientDataJSON: text(r.clientDataJSON) }
  for (const name of ['attestationObject', 'authenticatorData', 'signature', 'userHandle']) if (r[name]) response[name] = text(r[name])
  if (r.getTransports) response.transports = r.getTransports()
  return JSON.stringify({
    id: credential.id, rawId: text(credential.rawId), type: credential.type, response,
    authenticatorAttachment: credential.authenticatorAttachment || undefined, clientExtensionResults: {},
  })
}

async function ask (form) {
  const asked = await fetch(form.dataset.ask, { method: 'POST', headers: { Accept: 'application/json' }, credentials: 'same-origin' })
  if (!asked.ok) throw new Error('not asked')
  const publicKey = question((await asked.json()).publicKey)
  if (form.dataset.passkey !== 'create') {
    const credential = await navigator.credentials.get({ publicKey })
    return [credential, secret(credential)]
  }
  const credential = await navigator.credentials.create({ publicKey })
  let opens = secret(credential)
  if (!opens && credential.getClientExtensionResults().prf?.enabled) {
    // Most devices answer only when a passkey is used, not when it is made.
    const used = await navigator.credentials.get({ publicKey: {
      challenge: crypto.getRandomValues(new Uint8Array(32)), rpId: publicKey.rp.id, userVerification: 'required',
      allowCredentials: [{ type: 'public-key', id: credential.rawId }], extensions: { prf: publicKey.extensions.prf },
    } })
    opens = secret(used)
  }
  return [credential, opens]
}

for (const form of document.querySelectorAll('form[data-passkey]')) {
  const said = form.querySelector('[data-said]')
  const button = form.querySelector('button')
  const say = (words) => { said.textContent = words; said.hidden = !words }
  if (!window.PublicKeyCredential) {
    button.disabled = true
    say(form.dataset.missing)
    continue
  }
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    say('')
    button.disabled = true
    try {
      const [credential, opens] = await ask(form)
      form.elements.credential.value = answer(credential)
      form.elements.prf.value = opens ? text(opens) : ''
      form.submit()
    } catch (error) {
      button.disabled = false
      say(form.dataset.failed)
    }
  })
}
