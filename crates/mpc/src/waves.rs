//! Segments that are worked on side by side: those that follow each other and take none of each other's outputs.

use crate::garble::Planned;

/// Cuts segments into waves of at most `most`. They are in an order in which each comes after those whose outputs it takes, and stay in it.
pub(crate) fn waves<T>(segments: Vec<T>, most: usize, planned: impl Fn(&T) -> &Planned) -> Vec<Vec<T>> {
    let mut waves: Vec<Vec<T>> = Vec::new();
    for segment in segments {
        let takes = |of: &T| planned(&segment).inputs.iter().any(|w| planned(of).outputs.contains(w));
        match waves.last_mut() {
            Some(wave) if wave.len() < most && !wave.iter().any(takes) => wave.push(segment),
            _ => waves.push(vec![segment]),
        }
    }
    waves
}

#[cfg(test)]
mod tests {
    use super::*;
    use cotenant_circuit::Builder;
    use std::sync::Arc;

    #[test]
    fn no_segment_is_in_one_wave_with_another_whose_outputs_it_takes() {
        let circuit = Arc::new(Builder::new().finish());
        let segments = |most| {
            let plan: [(&[u32], _); 6] = [(&[0, 1], 2..4), (&[1], 4..5), (&[0, 4], 5..7), (&[2, 3], 7..8), (&[6], 8..8), (&[7, 0], 8..9)];
            let segments = plan.map(|(inputs, outputs)| Planned { circuit: circuit.clone(), inputs: inputs.to_vec(), outputs });
            let waves = waves(Vec::from(segments), most, |s| s);
            waves.iter().map(|wave| wave.iter().map(|s| s.outputs.start).collect()).collect::<Vec<Vec<u32>>>()
        };
        assert_eq!(segments(8), [vec![2, 4], vec![5, 7], vec![8, 8]]);
        assert_eq!(segments(1), [[2], [4], [5], [7], [8], [8]]);
    }
}
