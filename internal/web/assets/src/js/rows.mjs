// Keyboard for lists of work: j and k move, x selects, Enter opens, ? shows help; and the count of what
// is selected. Keys are left alone while one writes in a field.
export function rows (root) {
  const table = root.querySelector('table[data-rows]')
  const help = root.querySelector('dialog[data-keys]')
  for (const button of root.querySelectorAll('[data-keys-open]')) button.addEventListener('click', () => help?.showModal())
  if (!table) return
  const all = [...table.tBodies[0].rows]
  let at = -1

  const go = (n) => {
    if (!all.length) return
    all[at]?.classList.remove('is-active')
    at = Math.min(all.length - 1, Math.max(0, n))
    all[at].classList.add('is-active')
    ;(all[at].querySelector('a[href]') || all[at].querySelector('input'))?.focus({ preventScroll: true })
    all[at].scrollIntoView({ block: 'nearest' })
  }

  const boxes = all.map((row) => row.querySelector('input[type=checkbox][data-select]')).filter(Boolean)
  const master = table.querySelector('input[type=checkbox][data-select-all]')
  const counts = root.querySelectorAll('[data-selected]')
  const count = () => {
    const n = boxes.filter((box) => box.checked).length
    for (const box of boxes) box.closest('tr').classList.toggle('is-selected', box.checked)
    for (const el of counts) el.textContent = el.dataset.selected.replace('{n}', n)
    if (master) { master.checked = n > 0 && n === boxes.length; master.indeterminate = n > 0 && n < boxes.length }
  }
  for (const box of boxes) box.addEventListener('change', count)
  master?.addEventListener('change', () => { for (const box of boxes) box.checked = master.checked; count() })
  count()

  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help?.open) return
    if (event.target.closest('input:not([type=checkbox]), textarea, select, [contenteditable]')) return
    switch (event.key) {
      case 'j': go(at + 1); break
      case 'k': go(at - 1); break
      case 'x': {
        const box = all[at]?.querySelector('input[data-select]')
        if (box) { box.checked = !box.checked; count() }
        break
      }
      case 'Enter': if (at >= 0 && !event.target.closest('a, button')) all[at].querySelector('a[href]')?.click(); return
      case '?': help?.showModal(); break
      default: return
    }
    event.preventDefault()
  })
}
