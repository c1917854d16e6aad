//! Random edits of a service, each by a name that a failure tells.

use fastrand::Rng;

use super::service::{Function, How, Item, Service, Shape, Style, Use, literal};

/// One kind of edit: it says what it did, or nothing if the service has no place for it.
type Edit = fn(&mut Service, &mut Rng) -> Option<String>;

const EDITS: &[(u32, Edit)] = &[
    (10, change_word),
    (8, add_use),
    (3, remove_use),
    (4, add_something),
    (4, remove_function),
    (3, rename_function),
    (6, reorder),
    (5, add_noise),
    (6, change_initial),
    (5, add_local_and_use),
    (4, add_helper_and_use),
    (5, factory_cell),
    (4, factory_sibling),
    (4, change_parameters),
    (5, table_keys),
    (2, restyle),
    (2, change_handler),
];

/// Changes a service a little; what was done.
pub fn random(service: &mut Service, rng: &mut Rng) -> Vec<String> {
    let total: u32 = EDITS.iter().map(|(weight, _)| weight).sum();
    let (wanted, mut done) = (rng.usize(1..6), Vec::new());
    while done.len() < wanted {
        let mut at = rng.u32(..total);
        let chosen = EDITS.iter().find(|(weight, _)| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        });
        if let Some((_, edit)) = chosen {
            done.extend(edit(service, rng));
        }
    }
    done
}

/// One of all functions: the place of its item, and its number there.
fn any_function(service: &Service, rng: &mut Rng) -> Option<(usize, usize)> {
    let all: Vec<(usize, usize)> = service
        .items
        .iter()
        .enumerate()
        .flat_map(|(place, item)| (0..item.functions().len()).map(move |number| (place, number)))
        .collect();
    rng.choice(all)
}

fn at(service: &mut Service, (place, number): (usize, usize)) -> &mut Function {
    service.items[place].functions_mut().swap_remove(number)
}

/// One of the items that are so.
fn any_item(service: &Service, rng: &mut Rng, wanted: impl Fn(&Item) -> bool) -> Option<usize> {
    rng.choice(
        (0..service.items.len())
            .filter(|number| wanted(&service.items[*number]))
            .collect::<Vec<_>>(),
    )
}

fn change_word(service: &mut Service, rng: &mut Rng) -> Option<String> {
    let place = any_function(service, rng)?;
    service.next += 1;
    let next = service.next;
    let function = at(service, place);
    let was = std::mem::replace(&mut function.word, next);
    Some(format!("body of w{was}"))
}

fn add_use(service: &mut Service, rng: &mut Rng) -> Option<String> {
    let place = any_function(service, rng)?;
    let level = at(service, place).level;
    let new = rng.choice(service.visible(place.0, level))?;
    let function = at(service, place);
    let to = rng.usize(..=function.uses.len());
    function.uses.insert(to, new.clone());
    Some(format!("w{} uses {}", function.word, new.text))
}

fn remove_use(service: &mut Service, rng: &mut Rng) -> Option<String> {
    let place = any_function(service, rng)?;
    let function = at(service, place);
    let removable = |u: &Use| !u.root.starts_with("cell_");
    let number = rng.choice(
        (0..function.uses.len())
            .filter(|n| removable(&function.uses[*n]))
            .collect::<Vec<_>>(),
    )?;
    let gone = function.uses.remove(number);
    Some(format!("w{} no longer uses {}", function.word, gone.text))
}

fn add_something(service: &mut Service, rng: &mut Rng) -> Option<String> {
    let to = rng.usize(..=service.items.len());
    // A block that is new is code that runs once.
    let before = service.items.len();
    match rng.u8(..5) {
        0 => service.add_something(rng, to),
        _ => service.add_function(rng, to),
    }
    if service.items[to..]
        .iter()
        .take(service.items.len() - before)
        .any(|i| matches!(i, Item::Cell { .. } | Item::Mutual(_)))
    {
        service.items.drain(to..to + service.items.len() - before);
        return None;
    }
    Some(format!("added {}", title(&service.items[to])))
}

fn title(item: &Item) -> String {
    match item {
        Item::Local(bindings) => bindings[0].0.clone(),
        Item::Table(table) => table.name.clone(),
        Item::Function(name, ..) | Item::Cell { name, .. } => name.clone(),
        Item::Mutual(pair) => pair[0].0.clone(),
        Item::Factory(factory) => factory.name.clone(),
        Item::Noise(_) => "noise".into(),
    }
}

/// Takes every use of a name away.
fn forget(service: &mut Service, name: &str) {
    for item in &mut service.items {
        for function in item.functions_mut() {
            function.uses.retain(|u| u.root != name);
        }
    }
}

fn remove_function(service: &mut Service, rng: &mut Rng) -> Option<String> {
    let number = any_item(service, rng, |item| {
        matches!(item, Item::Function(..) | Item::Factory(_))
    })?;
    let gone = title(&service.items.remove(number));
    forget(service, &gone);
    Some(format!("removed {gone}"))
}

fn rename_function(service: &mut Service, rng: &mut Rng) -> Option<String> {
    let number = any_item(service, rng, |item| matches!(item, Item::Function(..)))?;
    let was = title(&service.items[number]);
    let now = service.name(was.split('_').next()?);
    if let Item::Function(name, ..) = &mut service.items[number] {
        name.clone_from(&now);
    }
    for function in service.items.iter_mut().flat_map(Item::functions_mut) {
        for used in function.uses.iter_mut().filter(|u| u.root == was) {
            used.root.clone_from(&now);
            used.text = used.text.replace(&was, &now);
        }
    }
    Some(format!("renamed {was} {now}"))
}

fn reorder(service: &mut Service, rng: &mut Rng) -> Option<String> {
    let mut moved = 0;
    for _ in 0..rng.usize(1..8) {
        let first = rng.usize(..service.items.len().saturating_sub(1).max(1));
        let [one, two] = service.items.get(first..first + 2)? else {
            return None;
        };
        let needs = two.needs();
        if one.declares().iter().all(|name| !needs.contains(name)) {
            service.items.swap(first, first + 1);
            moved += 1;
        }
    }
    (moved > 0).then(|| format!("{moved} moves"))
}

fn add_noise(service: &mut Service, rng: &mut Rng) -> Option<String> {
    if rng.bool() {
        let place = any_function(service, rng)?;
        at(service, place).notes += 1;
        return Some("a comment in a function".into());
    }
    let to = rng.usize(..=service.items.len());
    let text = [
        "\n\n",
        "-- function M.f_2() return 1 end\n",
        "--[[ local k_2 = 5\nend ]]\n",
        ";\n",
    ][rng.usize(..4)];
    service.items.insert(to, Item::Noise(text.into()));
    Some("noise".into())
}

fn change_initial(service: &mut Service, rng: &mut Rng) -> Option<String> {
    let number = any_item(service, rng, |item| {
        matches!(
            item,
            Item::Local(_) | Item::Cell { .. } | Item::Table(_) | Item::Factory(_)
        )
    })?;
    let (name, value) = match &mut service.items[number] {
        Item::Local(bindings) => rng.choice(bindings.iter_mut()).map(|(n, v)| (n, v))?,
        Item::Cell { name, initial, .. } => (name, initial),
        Item::Table(table) => rng.choice(table.data.iter_mut()).map(|(n, v)| (n, v))?,
        Item::Factory(factory) => {
            let cells = factory
                .cells
                .iter_mut()
                .chain(&mut factory.inner_cells)
                .filter(|(_, value)| !value.is_empty());
            rng.choice(cells.collect::<Vec<_>>()).map(|(n, v)| (n, v))?
        }
        _ => return None,
    };
    let kind = name.split('_').next()?;
    *value = literal(
        rng,
        if matches!(kind, "k" | "c" | "s" | "b") {
            kind
        } else {
            "g"
        },
    );
    Some(format!("{name} begins with {value}"))
}

/// Somebody after the place who could use what stands there.
fn user(service: &Service, rng: &mut Rng, place: usize, least_level: u8) -> Option<(usize, usize)> {
    let fits =
        |(at, number): &(usize, usize)| *at > place && service.items[*at].functions()[*number].level >= least_level;
    (0..20).find_map(|_| any_function(service, rng).filter(fits))
}

fn add_local_and_use(service: &mut Service, rng: &mut Rng) -> Option<String> {
    let to = rng.usize(..=service.items.len());
    let name = service.add_local_at(rng, to);
    let mut said = format!("new {name}");
    for _ in 0..rng.usize(1..3) {
        let Some(user) = user(service, rng, to, 0) else {
            continue;
        };
        let how = if super::service::is_state(&name) && rng.bool() {
            How::Bump
        } else {
            How::Read
        };
        let function = at(service, user);
        function.uses.push(Use {
            root: name.clone(),
            text: name.clone(),
            how,
        });
        said += &format!(", w{} uses it", function.word);
    }
    Some(said)
}

fn add_helper_and_use(service: &mut Service, rng: &mut Rng) -> Option<String> {
    let to = rng.usize(..=service.items.len());
    let function = service.function(rng, to, 0, &[]);
    let name = service.name("l");
    let style = if rng.bool() { Style::Local } else { Style::LocalValue };
    service.items.insert(to, Item::Function(name.clone(), style, function));
    let user = user(service, rng, to, 1)?;
    let function = at(service, user);
    function.uses.push(Use {
        root: name.clone(),
        text: name.clone(),
        how: How::Call,
    });
    Some(format!("new {name}, w{} uses it", function.word))
}

/// A new local in a factory, with uses of it.
fn factory_cell(service: &mut Service, rng: &mut Rng) -> Option<String> {
    let number = any_item(service, rng, |item| matches!(item, Item::Factory(_)))?;
    let inner = rng.bool();
    let (outer, nested) = (service.name("uo"), service.name("ui"));
    let Item::Factory(factory) = &mut service.items[number] else {
        return None;
    };
    let inner = inner && factory.shape == Shape::TwoLevels;
    let name = if inner { nested } else { outer };
    let cells = if inner {
        &mut factory.inner_cells
    } else {
        &mut factory.cells
    };
    let to = rng.usize(1..=cells.len());
    cells.insert(to, (name.clone(), rng.u32(..90).to_string()));
    for (_, function) in &mut factory.made {
        if rng.u8(..3) > 0 {
            let how = if rng.bool() { How::Bump } else { How::Read };
            function.uses.push(Use {
                root: name.clone(),
                text: name.clone(),
                how,
            });
        }
    }
    Some(format!("{} has a new {name}", factory.name))
}

fn factory_sibling(service: &mut Service, rng: &mut Rng) -> Option<String> {
    let several = |item: &Item| matches!(item, Item::Factory(f) if !matches!(f.shape, Shape::One | Shape::Loop));
    let number = any_item(service, rng, several)?;
    let Item::Factory(mut factory) = service.items[number].clone() else {
        return None;
    };
    let said = if rng.bool() && factory.made.len() > 1 {
        let gone = factory.made.remove(rng.usize(..factory.made.len()));
        format!("{} no longer makes {}", factory.name, gone.0)
    } else {
        let made = service.made(rng, number, &factory);
        let said = format!("{} makes {}, too", factory.name, made.0);
        factory.made.insert(rng.usize(..=factory.made.len()), made);
        said
    };
    service.items[number] = Item::Factory(factory);
    Some(said)
}

fn change_parameters(service: &mut Service, rng: &mut Rng) -> Option<String> {
    let place = any_function(service, rng)?;
    let inner = matches!(&service.items[place.0], Item::Factory(_) if place.1 == 0);
    let mutual = matches!(&service.items[place.0], Item::Mutual(_));
    if inner || mutual {
        return None;
    }
    let function = at(service, place);
    match rng.u8(..3) {
        0 if function.params.len() > 1 => drop(function.params.pop()),
        1 => function.vararg = !function.vararg,
        _ => function.params.push(format!("p{}", function.params.len())),
    }
    Some(format!(
        "parameters of w{}: {:?} {}",
        function.word, function.params, function.vararg
    ))
}

fn table_keys(service: &mut Service, rng: &mut Rng) -> Option<String> {
    let number = any_item(service, rng, |item| matches!(item, Item::Table(_)))?;
    let function = service.function(rng, number, 1, &[]);
    let (key, method) = (service.name("x"), service.name("h"));
    let Item::Table(table) = &mut service.items[number] else {
        return None;
    };
    if rng.bool() {
        let to = rng.usize(..=table.data.len());
        table.data.insert(to, (key.clone(), rng.u32(..90).to_string()));
        return Some(format!("{}.{key}", table.name));
    }
    let to = rng.usize(..=table.functions.len());
    table.functions.insert(to, (method.clone(), function));
    Some(format!("{}.{method}()", table.name))
}

fn restyle(service: &mut Service, rng: &mut Rng) -> Option<String> {
    let number = any_item(
        service,
        rng,
        |item| matches!(item, Item::Function(_, _, f) if !f.recursive),
    )?;
    let Item::Function(name, style, _) = &mut service.items[number] else {
        return None;
    };
    *style = match style {
        Style::Local => Style::LocalValue,
        Style::LocalValue => Style::Local,
        Style::Field => Style::FieldValue,
        Style::FieldValue => Style::Field,
        Style::Method => return None,
    };
    Some(format!("{name} is written otherwise"))
}

fn change_handler(service: &mut Service, _: &mut Rng) -> Option<String> {
    service.handler += 1;
    Some("the handler".into())
}
