'use strict';
{
  const {classes, colours, pictures, printed} = JSON.parse(document.getElementById('data').textContent);
  const root = document.documentElement;
  const byId = id => document.getElementById(id);
  const all = selector => [...document.querySelectorAll(selector)];
  const percent = value => value === null ? 'n/a' : `${(100 * value).toFixed(1)}%`;
  // A name from right to left must not reorder the text around it.
  const isolated = name => /^[ -~]*$/.test(name) ? name : `\u2068${name}\u2069`;
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  // Class table ----------------------------------------------------------------------------------------------------

  function sort(heading) {
    const row = heading.parentElement;
    const body = row.closest('table').tBodies[0];
    const ascending = heading.getAttribute('aria-sort') !== 'ascending';
    const column = [...row.children].indexOf(heading);
    const key = line => {
      const {value} = line.children[column].dataset;
      if (value === undefined) return line.children[column].textContent.trim();
      return value === '' ? null : Number(value);
    };
    const compare = (a, b) => typeof a === 'string' ? a.localeCompare(b, 'en') : a - b;
    const lines = [...body.rows].map(line => [key(line), line]);
    lines.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);  // undefined values stay last
      return ascending ? compare(a, b) : compare(b, a);
    });
    for (const other of row.children) other.removeAttribute('aria-sort');
    heading.setAttribute('aria-sort', ascending ? 'ascending' : 'descending');
    body.append(...lines.map(([, line]) => line));
  }

  for (const button of all('.sortable thead button')) button.addEventListener('click', () => sort(button.parentElement));

  // Confusion matrix -----------------------------------------------------------------------------------------------

  const matrix = byId('matrix');
  for (const button of all('button[data-cells]')) {
    button.addEventListener('click', () => {
      matrix.dataset.cells = button.dataset.cells;
      for (const other of all('button[data-cells]')) other.setAttribute('aria-pressed', other === button);
    });
  }
  for (const event of ['pointerover', 'click']) {  // a click, for devices that cannot hover
    matrix.addEventListener(event, ({target}) => {
      const cell = target.closest('#matrix tbody td');
      if (!cell) return;
      const names = [cell.parentElement.sectionRowIndex, cell.cellIndex - 1].map(index => isolated(classes[index]));
      byId('cell').textContent = cell.title || `${names.join(' → ')}: no pixels`;
    });
  }

  // Layers ---------------------------------------------------------------------------------------------------------

  const grid = byId('grid');
  const stage = byId('stage');
  const near = new Set();  // cards whose images are decoded: in or near the viewport, or printed

  function draw(stack, {layers}) {
    const [photo, layer] = stack.children;
    const uri = name => `data:image/webp;base64,${layers[name]}`;
    photo.src = uri('photo');
    if (root.dataset.layer === 'photo') layer.removeAttribute('src');
    else layer.src = uri(root.dataset.layer);
  }

  function clear(stack) {
    for (const image of stack.children) image.removeAttribute('src');
  }

  function chooseLayer(name) {
    root.dataset.layer = name;
    for (const button of all('button[data-layer]')) button.setAttribute('aria-pressed', button.dataset.layer === name);
    for (const card of near) draw(card.firstChild, card.picture);
    if (viewer.open) draw(stage, shown[position]);
  }

  function chooseOpacity(value) {
    root.style.setProperty('--opacity', value / 100);
    for (const input of all('.opacity input')) input.value = value;
    for (const output of all('.opacity output')) output.textContent = `${value}%`;
  }

  for (const button of all('button[data-layer]')) button.addEventListener('click', () => chooseLayer(button.dataset.layer));
  for (const input of all('.opacity input')) input.addEventListener('input', () => chooseOpacity(input.value));

  // Gallery --------------------------------------------------------------------------------------------------------

  const stackOf = () => make('span', {className: 'stack'}, make('img', {className: 'photo', alt: ''}), make('img', {className: 'layer', alt: ''}));
  const cards = new Map(pictures.map(picture => {
    const caption = make('span', {className: 'caption'}, make('span', {className: 'name', textContent: picture.id}), make('span', {className: 'of'}));
    const card = make('button', {type: 'button', className: 'card', picture}, stackOf(), caption);
    card.firstChild.style.aspectRatio = `${picture.width} / ${picture.height}`;
    card.addEventListener('click', () => open(shown.indexOf(picture)));
    return [picture, card];
  }));
  const sight = new IntersectionObserver(entries => {
    for (const {target, isIntersecting} of entries) {
      if (isIntersecting) {
        near.add(target);
        draw(target.firstChild, target.picture);
      } else if (target.classList.contains('unprinted')) {
        near.delete(target);
        clear(target.firstChild);
      }
    }
  }, {rootMargin: '800px'});
  let shown = [];

  function chooseClass(value) {
    const index = value === '' ? null : Number(value);
    const score = ({ious, miou}) => index === null ? miou : ious[index];
    const label = index === null ? 'mIoU' : `${isolated(classes[index])} IoU`;
    shown = index === null ? pictures : pictures.filter(({present}) => present.includes(index)).sort((a, b) => score(a) - score(b));
    sight.disconnect();
    near.clear();
    shown.forEach((picture, place) => {
      const card = cards.get(picture);
      card.tabIndex = place ? -1 : 0;
      card.classList.toggle('unprinted', place >= printed);
      card.lastChild.lastChild.textContent = `${index === null ? 'mIoU' : 'IoU'} ${percent(score(picture))}`;
      card.setAttribute('aria-label', `${picture.id}, ${label} ${percent(score(picture))}: open`);
      if (place < printed) {
        near.add(card);
        draw(card.firstChild, picture);
      } else clear(card.firstChild);
    });
    grid.replaceChildren(...shown.map(picture => cards.get(picture)));
    for (const card of grid.children) sight.observe(card);
    const count = `${shown.length} image${shown.length === 1 ? '' : 's'}`;
    byId('status').textContent = index === null ? `${count}, lowest mIoU first` : `${count} with ${isolated(classes[index])}, lowest ${label} first`;
  }

  function focus(card) {
    for (const other of grid.children) other.tabIndex = other === card ? 0 : -1;
    card.focus();
  }

  byId('class').addEventListener('change', ({target}) => chooseClass(target.value));
  for (const button of all('.show')) {
    button.addEventListener('click', () => {
      byId('class').value = button.dataset.class;
      chooseClass(button.dataset.class);
      byId('gallery').scrollIntoView();
      (grid.firstChild ?? byId('class')).focus({preventScroll: true});
    });
  }
  grid.addEventListener('keydown', event => {
    const columns = getComputedStyle(grid).gridTemplateColumns.split(' ').length;
    const step = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns}[event.key];
    const card = step && grid.children[[...grid.children].indexOf(document.activeElement) + step];
    if (!card) return;
    event.preventDefault();
    focus(card);
  });

  // Viewer ---------------------------------------------------------------------------------------------------------

  const viewer = byId('viewer');
  let position = 0;

  function open(place) {
    position = (place + shown.length) % shown.length;
    const picture = shown[position];
    byId('viewer-title').textContent = picture.id;
    byId('position').textContent = `${position + 1} of ${shown.length}`;
    byId('viewer-scores').textContent = `mIoU ${percent(picture.miou)}, accuracy ${percent(picture.accuracy)}`;
    stage.style.aspectRatio = `${picture.width} / ${picture.height}`;
    stage.style.setProperty('--ratio', picture.width / picture.height);
    stage.firstChild.alt = picture.id;
    const scored = picture.ious.map((iou, index) => [iou, index]).filter(([iou]) => iou !== null).sort(([a], [b]) => a - b);
    byId('viewer-classes').replaceChildren(...scored.map(([iou, index]) => {
      const swatch = make('i', {className: 'swatch'});
      swatch.style.background = colours[index];
      const name = make('bdi', {textContent: classes[index]});
      const note = picture.present.includes(index) ? '' : ' (not in truth)';
      return make('tr', {}, make('th', {scope: 'row'}, swatch, name, note), make('td', {textContent: percent(iou)}));
    }));
    draw(stage, picture);
    if (!viewer.open) viewer.showModal();
  }

  byId('previous').addEventListener('click', () => open(position - 1));
  byId('next').addEventListener('click', () => open(position + 1));
  byId('close').addEventListener('click', () => viewer.close());
  viewer.addEventListener('click', ({target}) => { if (target === viewer) viewer.close(); });  // on the backdrop
  viewer.addEventListener('close', () => {
    clear(stage);
    focus(cards.get(shown[position]));
  });

  document.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches('select')) return;
    const layer = all('.toolbar button[data-layer]')[Number(event.key) - 1];
    if (layer) chooseLayer(layer.dataset.layer);
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (step && viewer.open && !event.target.matches('input')) open(position + step);  // inputs use the arrow keys themselves
  });

  chooseOpacity(80);
  chooseLayer(root.dataset.layer);
  chooseClass('');
}
